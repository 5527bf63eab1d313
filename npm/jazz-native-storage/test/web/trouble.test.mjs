/** What can go wrong in a browser: no room, an engine that dies, options that cannot be. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, pause, quota, serveLab } from "./browsers.mjs";

const MIB = 1 << 20;

let site;
before(async () => {
  site = await serveLab();
});
after(() => site.close());

describe("a full disk, in Chromium", () => {
  let browser;
  before(async () => {
    browser = await launch("chromium");
  });
  after(() => browser.close());

  test("what is acknowledged is exactly what is stored, and it goes on when there is room", async () => {
    const page = await browser.open(site.url);
    await page.evaluate(() => lab.open("full"));
    // Of which a browser sets a megabyte aside for each file that grows.
    const used = await page.evaluate(() => navigator.storage.estimate().then(({ usage }) => usage));
    await quota(page, used + 3 * MIB);
    const acknowledged = await page.evaluate(() => lab.fill("full", 900));
    assert(acknowledged > 20 && acknowledged < 900, `${acknowledged} of 10 KB were acknowledged`);
    const degraded = await page.evaluate(() => lab.events.flatMap(({ degraded: code }) => code ?? []));
    assert.deepEqual(degraded, ["DISK_FULL"]);
    const found = (of) => of.evaluate(() => lab.loadAll("full", 900).then(({ found: count }) => count));
    assert.equal(await found(page), acknowledged);
    await page.close();

    const again = await browser.open(site.url);
    await again.evaluate(() => lab.open("full"));
    assert.equal(await found(again), acknowledged);
    assert.equal((await again.evaluate(() => lab.stats("full"))).coValues, acknowledged);
    await quota(again, used + 100 * MIB);
    assert.equal(await again.evaluate(() => lab.fill("full", 100, { prefix: "co_y" })), 100);
    assert.deepEqual((await again.evaluate(() => lab.verify("full"))).damage, []);
    await again.close();
    console.log(`3 MB of room: ${acknowledged} of 900 acknowledged, as many stored`);
  });

  test("a store for which there is no room at all is refused as such, and opens when there is", async () => {
    const page = await browser.open(site.url);
    await quota(page, 1);
    const { code } = await page.evaluate(() => lab.refusal("no room"));
    assert.equal(code, "DISK_FULL");
    await quota(page, 100 * MIB);
    assert.equal(await page.evaluate(() => lab.refusal("no room")), undefined);
    assert.equal(await page.evaluate(() => lab.fill("no room", 10)), 10);
    await page.close();
  });
});

for (const kind of ["chromium", "firefox"]) {
  describe(kind, () => {
    let browser;
    before(async () => {
      browser = await launch(kind);
    });
    after(() => browser.close());

    test("an engine that dies is started again, and what it had not answered is stored", async () => {
      const page = await browser.open(site.url);
      await page.evaluate(() => lab.open("dies"));
      await page.evaluate(() => lab.burst("dies", "co_zd"));
      await pause(200);
      await page.evaluate(() => lab.workers[0].terminate());
      const ended = Date.now();
      for (let last = 0; last <= ended; ) {
        assert(Date.now() < ended + 5_000, "it goes on");
        await pause(20);
        ({ last } = await page.evaluate(() => lab.acknowledged("co_zd")));
      }
      const burst = await page.evaluate(() => lab.endBurst("co_zd"));
      assert.deepEqual(await page.evaluate((of) => lab.missing("dies", [of]), burst), []);
      assert.deepEqual(await page.evaluate(() => lab.events.map(({ kind: what }) => what)), [
        "engine_restarted",
      ]);
      await page.close();
    });

    test("one that dies again and again is given up, and the storage says so", async () => {
      const page = await browser.open(site.url);
      await page.evaluate(() => lab.open("dead"));
      for (let death = 0; death < 4; death++) {
        await page.waitForFunction((n) => lab.events.length === n, {}, death);
        await page.waitForFunction((n) => lab.workers.length > n, {}, death);
        await page.evaluate(() => lab.load("dead", "co_z0"));
        await page.evaluate((n) => lab.workers[n].terminate(), death);
      }
      const loading = page.evaluate(() => lab.load("dead", "co_z1"));
      await assert.rejects(loading, /has died 4 times in a row/);
      const events = await page.evaluate(() =>
        lab.events.map(({ kind: what, degraded }) => what ?? degraded),
      );
      assert.deepEqual(events, [...Array(3).fill("engine_restarted"), "ENGINE_DIED"]);
      await page.close();
    });

    test("a store in memory is the page's own, and leaves nothing", async () => {
      const page = await browser.open(site.url);
      const other = await browser.open(site.url);
      for (const one of [page, other]) {
        await one.evaluate(() => lab.open("memory", { durability: "memory" }));
      }
      await page.evaluate(() => lab.store("memory", 100));
      assert.equal((await page.evaluate(() => lab.loadAll("memory", 100))).found, 100);
      assert.equal((await other.evaluate(() => lab.loadAll("memory", 100))).found, 0);
      assert.equal((await page.evaluate(() => lab.stats("memory"))).durability, "memory");
      await page.evaluate(() => lab.close("memory"));
      assert.equal((await page.evaluate(() => lab.loadAll("memory", 100))).found, 100);
      const kept = await page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        const all = await root.getDirectoryHandle("jazz-native-storage").catch(() => undefined);
        return all?.getDirectoryHandle("memory").then(
          () => true,
          () => false,
        );
      });
      assert(!kept, "nothing is in the private file system");
      await page.close();
      await other.close();
    });

    test("a storage that was closed opens again when it is used", async () => {
      const page = await browser.open(site.url);
      await page.evaluate(() => lab.open("closed"));
      await page.evaluate(() => lab.store("closed", 100));
      await page.evaluate(() => lab.close("closed"));
      assert.equal((await page.evaluate(() => lab.loadAll("closed", 100))).found, 100);
      await page.evaluate(() => lab.close("closed"));
      const next = await browser.open(site.url);
      await next.evaluate(() => lab.open("closed"));
      assert.equal((await next.evaluate(() => lab.loadAll("closed", 100))).found, 100);
      assert.equal((await page.evaluate(() => lab.loadAll("closed", 100))).found, 100);
      await page.close();
      await next.close();
    });

    test("a shared worker follows a page; where it cannot run an engine itself, it needs one", async () => {
      const page = await browser.open(site.url);
      const alone = await page.evaluate(() => lab.shared("shared", 50));
      if (kind === "chromium") assert.equal(alone.code, "UNAVAILABLE");
      else assert.equal(alone.stored, 50);
      await page.evaluate(() => lab.open("shared"));
      assert.deepEqual(await page.evaluate(() => lab.shared("shared", 50)), { stored: 50 });
      assert.equal((await page.evaluate(() => lab.loadAll("shared", 50, "co_zshared"))).found, 50);
      await page.close();
    });

    test("options that cannot be are refused by name", async () => {
      const page = await browser.open(site.url);
      const refusal = (name, options) => page.evaluate((...of) => lab.refusal(...of), name, options);
      for (const [name, options, says] of [
        ["", {}, /dbName/],
        ["x".repeat(300), {}, /dbName/],
        ["a", { path: "./data" }, /path.*dbName/],
        ["a", { flavour: "sync" }, /flavour/],
        ["a", { durability: "eternal" }, /durability/],
        ["a", { cacheBytes: 1 }, /cacheBytes/],
      ]) {
        const { code, message } = await refusal(name, options);
        assert.equal(code, "INVALID_OPTION");
        assert.match(message, says);
      }
      assert.equal(await refusal("with spaces / and ünïcode*.", { durability: "strict" }), undefined);
      await page.close();
    });
  });
}
