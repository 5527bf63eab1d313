/** Browsers in which the engine cannot run, and what IndexedDB has where it can. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, makeProfile, pause, quota, removeProfile, serveLab } from "./browsers.mjs";
import { openWebKit } from "./webkit.mjs";

const READY = { ready: "globalThis.old" };
/** Values, as many as said or some, with an account, a group and a session of some 160 KB, which is read in pieces. */
const [MANY, LONG] = [Number(process.env.JAZZ_MIGRATED_VALUES ?? 400), 80];

let site;
let url;
before(async () => {
  site = await serveLab();
  url = `${site.url}old.html`;
});
after(() => site.close());

const kinds = (page) =>
  page.evaluate(() => old.told.map(({ kind, chosen, degraded }) => kind ?? chosen ?? degraded));

describe("a private window", () => {
  test("of Firefox has no private file system: IndexedDB is taken, and told", async () => {
    const browser = await launch("firefox", { isPrivate: true });
    try {
      const page = await browser.open(url, READY);
      const { backing, told, stats, pending, wrong, refused } = await page.evaluate(async () => {
        const storage = await old.native("private");
        const made = await old.make(storage, 20, 0);
        const code = ({ code: of }) => of;
        return {
          backing: storage.backing,
          told: old.told,
          stats: await storage.stats().then(() => "figures", code),
          pending: await storage.pendingDeletions(),
          ...(await old.open("private", made, 0)),
          refused: await Promise.all(
            [{ fallback: "none" }, { durability: "strict" }].map((options) =>
              old.native("private", options).then(() => "opened", code),
            ),
          ),
        };
      });
      assert.equal(backing, "indexeddb");
      const [{ code, message, chosen, hidesStore }] = told;
      assert.deepEqual(
        { code, chosen, hidesStore },
        { code: "UNAVAILABLE", chosen: "indexeddb", hidesStore: false },
      );
      assert.match(message, /private file system|synchronous access/);
      assert.equal(stats, "UNAVAILABLE");
      assert.equal(pending.length, 5);
      assert.deepEqual(wrong, []);
      assert.deepEqual(refused, ["UNAVAILABLE", "UNAVAILABLE"], "no less durable than asked for");
      const memory = await page.evaluate(() =>
        old.native("private", { fallback: "memory" }).then((of) => of.backing),
      );
      assert.equal(memory, "memory");
    } finally {
      await browser.close();
    }
  });

  test("of Chromium has what the engine needs", async () => {
    const browser = await launch("chromium", { isPrivate: true });
    try {
      const page = await browser.open(url, READY);
      assert.equal(await page.evaluate(() => old.native("private").then(({ backing }) => backing)), "opfs");
      assert.deepEqual(await kinds(page), []);
    } finally {
      await browser.close();
    }
  });
});

describe("WebKitGTK, whose files have no synchronous access", () => {
  test("IndexedDB is taken, and a node reads it after a reload", async () => {
    const webkit = await openWebKit(url, "return !!globalThis.old");
    try {
      const made = await webkit.run("return await old.make(await old.native('gtk'), 30, 80)");
      const told = await webkit.run("return old.told");
      assert.deepEqual(
        told.map(({ code, chosen }) => [code, chosen]),
        [["UNAVAILABLE", "indexeddb"]],
      );
      await webkit.reload();
      const { backing, wrong } = await webkit.run("return await old.open('gtk', of, 80)", made);
      assert.equal(backing, "indexeddb");
      assert.deepEqual(wrong, []);
    } finally {
      await webkit.close();
    }
  });
});

describe("where synchronous access is missing for a while, in Chromium", () => {
  let browser;
  before(async () => {
    browser = await launch("chromium");
  });
  after(() => browser.close());

  /** A page whose workers get no access. */
  const without = async () => {
    const page = await browser.browser.newPage();
    await page.evaluateOnNewDocument(() => {
      globalThis.Worker = class {
        constructor() {
          queueMicrotask(() => this.onerror?.({ preventDefault() {}, message: "workers are not allowed" }));
        }
        postMessage() {}
        terminate() {}
        addEventListener() {}
      };
    });
    await page.goto(url);
    await page.waitForFunction(READY.ready);
    return page;
  };

  // The first, as room that is set aside for files of the others comes back at some time.
  test("what IndexedDB has no room for is not acknowledged, and told", async () => {
    const page = await without();
    await page.evaluate(async () => {
      globalThis.storage = await old.native("full");
      globalThis.acknowledged = [];
    });
    const used = await page.evaluate(() => navigator.storage.estimate().then(({ usage }) => usage));
    await quota(page, used + (2 << 20));
    const acknowledged = await page.evaluate(async () => {
      const { message } = old;
      for (let n = 0; n < 1500; n++) {
        globalThis.storage.store(
          message(`co_zf${n}`, "sealer_z1/signer_z1_session_z1", 0, 1, 10_000),
          () => undefined,
          () => globalThis.acknowledged.push(`co_zf${n}`),
        );
      }
      for (
        let last = -1;
        last !== globalThis.acknowledged.length || globalThis.storage.storeQueue.processing;
      ) {
        last = globalThis.acknowledged.length;
        await new Promise((over) => setTimeout(over, 300));
      }
      return globalThis.acknowledged;
    });
    assert(
      acknowledged.length > 10 && acknowledged.length < 1500,
      `${acknowledged.length} were acknowledged`,
    );
    assert.deepEqual(await kinds(page), ["indexeddb", "DISK_FULL"]);
    await quota(page, 1 << 30);
    await page.close();
    const again = await without();
    const missing = await again.evaluate(async (ids) => {
      const storage = await old.native("full");
      const lacking = [];
      for (const id of ids) {
        let transactions = 0;
        await storage.load(id, (content) => {
          for (const { newTransactions } of Object.values(content.new))
            transactions += newTransactions.length;
        });
        if (transactions !== 1) lacking.push(id);
      }
      return lacking;
    }, acknowledged);
    assert.deepEqual(missing, []);
    await again.close();
    console.log(`2 MB of room in IndexedDB: ${acknowledged.length} of 1500 acknowledged, all of them stored`);
  });

  test("nothing is opened beside a store unless it is asked for; what is stored meanwhile is moved in later", async () => {
    const first = await browser.open(url, READY);
    const made = await first.evaluate(async () => old.make(await old.native("comes back"), 10, 0));
    await first.close();
    const second = await without();
    const { code, message } = await second.evaluate(() =>
      old.native("comes back").catch((error) => ({ ...error, message: error.message })),
    );
    assert.equal(code, "UNAVAILABLE");
    assert.match(message, /there is a store already/);
    assert.deepEqual(await second.evaluate(() => old.told), []);
    const meanwhile = await second.evaluate(async () =>
      old.make(await old.native("comes back", { fallback: "best" }), 10, 0),
    );
    const [{ chosen, hidesStore }] = await second.evaluate(() => old.told);
    assert.deepEqual({ chosen, hidesStore }, { chosen: "indexeddb", hidesStore: true });
    await second.close();
    const third = await browser.open(url, READY);
    for (const of of [made, meanwhile]) {
      const { backing, wrong } = await third.evaluate((one) => old.open("comes back", one, 0), of);
      assert.equal(backing, "opfs");
      assert.deepEqual(wrong, []);
    }
    assert.equal((await kinds(third)).filter((kind) => kind === "migrated").length, 1);
    await third.close();
  });

  test("whatever keeps the engine from starting is told; listeners that throw, and a wish to persist, cost nothing", async () => {
    const lacks = {
      "the worker cannot be started": () => {
        globalThis.Worker = class {
          constructor() {
            throw new DOMException("not from this origin", "SecurityError");
          }
        };
      },
      "the engine needs a secure context": () => {
        delete Navigator.prototype.locks;
        delete Navigator.prototype.storage;
        Object.defineProperty(crypto, "randomUUID", { value: undefined });
      },
    };
    for (const [says, lack] of Object.entries(lacks)) {
      const page = await browser.browser.newPage();
      const problems = [];
      page.on("pageerror", (error) => problems.push(error.message));
      await page.evaluateOnNewDocument(lack);
      await page.goto(url);
      await page.waitForFunction(READY.ready);
      const dbName = `lacks ${says.length}`;
      // Free files, as one that could not be started leaves them, are no store.
      await page.evaluate(async (name) => {
        const root = await navigator.storage?.getDirectory();
        const all = await root?.getDirectoryHandle("jazz-native-storage", { create: true });
        const directory = await all?.getDirectoryHandle(encodeURIComponent(name), { create: true });
        const file = await directory?.getFileHandle("0", { create: true });
        const stream = await file?.createWritable();
        await stream?.write(new Uint8Array(4096));
        await stream?.close();
      }, dbName);
      const { backing, granted } = await page.evaluate(async (name) => {
        let answered;
        const answer = new Promise((resolve) => {
          answered = resolve;
        });
        const onEvent = ({ granted: is }) => {
          answered(is);
          throw new Error("a listener's own");
        };
        const storage = await old.native(name, { persist: true, onEvent });
        return { backing: storage.backing, granted: await answer };
      }, dbName);
      assert.equal(backing, "indexeddb");
      assert.equal(typeof granted, "boolean");
      const [{ code, message }] = await page.evaluate(() => old.told);
      assert.equal(code, "UNAVAILABLE");
      assert(message.includes(says), message);
      assert.deepEqual(problems, []);
      await page.close();
    }
    const page = await browser.open(url, READY);
    const count = await page.evaluate(async () => {
      await old.make(await old.indexedDb("throws"), 3, 0);
      const onEvent = () => {
        throw new Error("a listener's own");
      };
      const storage = await old.native("throws", { onEvent });
      return await new Promise((of) => storage.getCoValueCount(of));
    });
    assert(count >= 3, `${count} values were moved`);
    await page.close();
  });

  test("a store that is there and does not open is an error", async () => {
    const page = await browser.open(url, READY);
    await quota(page, 1);
    const code = await page.evaluate(() =>
      old.native("no room").then(
        ({ backing }) => backing,
        ({ code: of }) => of,
      ),
    );
    assert.equal(code, "DISK_FULL");
    assert.deepEqual(await kinds(page), []);
    await quota(page, 1 << 30);
    await page.close();
  });
});

for (const kind of ["chromium", "firefox"]) {
  describe(`what cojson-storage-indexeddb has stored, in ${kind}`, () => {
    const profile = makeProfile();
    let browser;
    before(async () => {
      browser = await launch(kind, { profile, keepProfile: true });
    });
    after(async () => {
      await browser.close();
      removeProfile(profile);
    });

    test("moves in, though the tab is killed meanwhile, once for all tabs; and is kept until it is dropped", async () => {
      const maker = await browser.open(url, READY);
      const made = await maker.evaluate(
        async (...of) => old.make(await old.indexedDb("many"), ...of),
        MANY,
        LONG,
      );
      const pieces = await maker.evaluate(
        async (id) => old.pieces(await old.indexedDb("many"), id),
        made.big,
      );
      assert(pieces > 1, `${pieces} pieces`);
      await maker.close();

      const first = await browser.open(url, READY);
      await first.evaluate(() => void old.native("many"));
      await first.waitForFunction(() => old.told.some(({ done }) => done > 0));
      const at = await first.evaluate(() => old.told.at(-1));
      assert.equal(at.kind, "migrating");
      assert.equal(await first.evaluate(() => old.dropFallback("none")), "dropped", "there is none");
      await first.close();

      const tabs = [await browser.open(url, READY), await browser.open(url, READY)];
      const began = Date.now();
      await Promise.all(tabs.map((tab) => tab.evaluate(() => old.native("many").then(() => {}))));
      const ms = Date.now() - began;
      const migrated = (await Promise.all(tabs.map(kinds))).flat().filter((what) => what === "migrated");
      assert.equal(migrated.length, 1, "one tab does it");
      const told = (await Promise.all(tabs.map((tab) => tab.evaluate(() => old.told)))).flat();
      assert.deepEqual(told.find(({ kind: what }) => what === "migrated").incomplete, []);
      const [tab] = tabs;
      const { backing, wrong } = await tab.evaluate((...of) => old.open("many", ...of), made, LONG);
      assert.equal(backing, "opfs");
      assert.deepEqual(wrong, []);
      const { count, deletions, piecesNow, damage } = await tab.evaluate(async (big) => {
        const storage = await old.native("many");
        return {
          count: await new Promise((of) => storage.getCoValueCount(of)),
          deletions: await storage.pendingDeletions(),
          piecesNow: await old.pieces(storage, big),
          damage: (await storage.verify()).damage,
        };
      }, made.big);
      assert(count >= MANY + 3, `${count} values`);
      assert.deepEqual(deletions.sort(), made.deleted.sort());
      const left = await tab.evaluate((id) => old.sessions("many", id), made.deleted[0]);
      assert(left.length > 0 && left.every((session) => session.endsWith("$")), `only the deletion: ${left}`);
      assert.equal(piecesNow, pieces);
      assert.deepEqual(damage, []);

      assert((await tab.evaluate(() => old.names())).includes("many"), "it is kept");
      // A tab that has it open, and goes meanwhile.
      await tabs[1].evaluate(() => old.indexedDb("many").then(() => {}));
      const dropping = tab.evaluate(() => old.dropFallback("many"));
      await pause(200);
      await tabs[1].close();
      assert.equal(await dropping, "dropped");
      assert(!(await tab.evaluate(() => old.names())).includes("many"));
      assert.deepEqual((await tab.evaluate((...of) => old.open("many", ...of), made, LONG)).wrong, []);
      await tab.close();
      console.log(`${kind}: ${at.done} of ${at.total} were moved before the kill; the rest took ${ms} ms`);
    });

    test("a value that the engine has otherwise is told, and keeps the old database", async () => {
      const page = await browser.open(url, READY);
      await page.evaluate(async () => {
        await old.make(await old.indexedDb("differs"), 5, 0);
        await (await old.native("differs")).close();
        await old.tamper("differs");
        await old.make(await old.indexedDb("differs"), 1, 0);
        old.told.length = 0;
        await old.native("differs");
      });
      const [migrated] = await page.evaluate(() => old.told.slice(-1));
      assert.equal(migrated.kind, "migrated");
      assert.equal(migrated.incomplete.length, 1);
      const { code } = await page.evaluate(() => old.dropFallback("differs"));
      assert.equal(code, "INVALID_OPTION");
      assert((await page.evaluate(() => old.names())).includes("differs"));
      await page.close();
    });

    test("it stays where it is with migrate: false, and is not dropped then", async () => {
      const page = await browser.open(url, READY);
      const { count, drop } = await page.evaluate(async () => {
        await old.make(await old.indexedDb("left"), 3, 0);
        const storage = await old.native("left", { migrate: false });
        return {
          count: await new Promise((of) => storage.getCoValueCount(of)),
          drop: await old.dropFallback("left"),
        };
      });
      assert.equal(count, 0);
      assert.equal(drop.code, "INVALID_OPTION");
      await page.close();
    });

    test("the browser's figures, and what it says to a wish to persist", async () => {
      const page = await browser.open(url, READY);
      const { origin } = await page.evaluate(() => old.native("figures").then((storage) => storage.stats()));
      assert(origin.usage > 0 && origin.quota > origin.usage, JSON.stringify(origin));
      assert.equal(origin.persisted, false);
      if (kind === "chromium") {
        await page.evaluate(() => old.native("figures", { persist: true }).then(() => {}));
        await page.waitForFunction(() => old.told.some(({ kind: what }) => what === "persistence"));
        const told = await page.evaluate(() => old.told.at(-1));
        const persisted = await page.evaluate(() => navigator.storage.persisted());
        assert.equal(told.granted, persisted);
      }
      await page.close();
    });
  });
}
