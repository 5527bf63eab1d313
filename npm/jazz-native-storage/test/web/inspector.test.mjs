/**
 * The inspector, as its user works with it, and what it stands on: archives that go from a browser to Node and back, and
 * verifying and compacting while others are answered.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { createNativeStorage, restoreBackup } from "jazz-native-storage";
import { build } from "vite";
import { launch, pause, serve } from "./browsers.mjs";

const root = resolve(import.meta.dirname, "../../../..");
const READY = "document.querySelector('#panel > section')";
/** Pictures of the panel go here, if it is said. */
const SHOTS = process.env.JAZZ_SHOTS;

let site;
let folder;
before(async () => {
  const app = join(root, "examples/inspector");
  await build({ root: app, configFile: join(app, "vite.config.mjs") });
  site = await serve(join(root, "target/web/inspector"));
  folder = mkdtempSync(join(tmpdir(), "jazz-native-storage-inspector-"));
});
after(() => {
  site.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What is done in pages of the example. */
function tools() {
  const host = () => document.querySelector("#panel > section");
  const within = (selector) => host().shadowRoot.querySelector(selector);
  const texts = (selector) =>
    [...host().shadowRoot.querySelectorAll(selector)].map(({ textContent }) => textContent);
  const saved = [];
  const create = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (blob) => {
    saved.push(blob);
    return create(blob);
  };
  const base64 = async (blob) => {
    const url = await new Promise((read) => {
      const reader = new FileReader();
      reader.onload = () => read(reader.result);
      reader.readAsDataURL(blob);
    });
    return url.slice(url.indexOf(",") + 1);
  };
  globalThis.tools = {
    host,
    within,
    texts,
    saved: () => base64(saved.at(-1)),
    press: (label) =>
      [...host().shadowRoot.querySelectorAll("button")].find((one) => one.textContent === label).click(),
    /** Stores so many values of so many bytes. */
    async fill(prefix, count, size) {
      for (let n = 0; n < count; n++) {
        const header = { type: "comap", ruleset: { type: "unsafeAllowAll" }, meta: null, uniqueness: "z1" };
        const transaction = { privacy: "trusting", madeAt: 1, changes: `["${"x".repeat(size)}"]` };
        globalThis.storage.store(
          {
            action: "content",
            id: `${prefix}${n}`,
            header,
            priority: 3,
            new: {
              [`${prefix}_session_z1`]: {
                after: 0,
                lastSignature: `signature_z${n}`,
                newTransactions: [transaction],
              },
            },
          },
          () => undefined,
        );
        if (n % 32 === 31) await globalThis.storage.flush();
      }
      await globalThis.storage.flush();
    },
    /** What is stored, value by value. */
    async contents() {
      const ids = await new Promise((all) => globalThis.storage.getCoValueIDs(10_000, 0, all));
      const found = [];
      for (const { id } of ids) found.push(await globalThis.storage.inspect(id));
      return found;
    },
    /** Changes a byte in the middle of the largest file of a database that nobody has open. */
    async damage(name) {
      const directory = await (await navigator.storage.getDirectory())
        .getDirectoryHandle("jazz-native-storage")
        .then((all) => all.getDirectoryHandle(name));
      let largest;
      for await (const entry of directory.values()) {
        const file = await entry.getFile();
        if (!largest || file.size > largest.file.size) largest = { entry, file };
      }
      const at = largest.file.size >> 1;
      const byte = new Uint8Array(await largest.file.slice(at, at + 1).arrayBuffer());
      const writer = await largest.entry.createWritable({ keepExistingData: true });
      await writer.write({ type: "write", position: at, data: Uint8Array.of(byte[0] ^ 0xff) });
      await writer.close();
    },
  };
}

for (const kind of ["chromium", "firefox"]) {
  describe(kind, () => {
    let browser;
    before(async () => {
      browser = await launch(kind);
    });
    after(() => browser.close());

    async function open(name) {
      const page = await browser.open(`${site.url}?name=${name}`, { ready: READY });
      await page.evaluate(tools);
      return page;
    }
    async function openWithSample(name) {
      const page = await open(name);
      await page.click("#sample");
      await page.waitForFunction(
        "document.querySelector('.note') === null && !document.querySelector('#sample').disabled",
      );
      await page.waitForFunction("tools.texts('.row .size').filter((size) => size !== '').length > 50");
      return page;
    }
    const focused = (page) =>
      page.evaluate(() => {
        const at = tools.host().shadowRoot.activeElement;
        return at && (at.getAttribute("aria-label") ?? at.textContent);
      });
    const said = (page) =>
      page.waitForFunction("tools.texts('.note:not([hidden]) p')[0]?.match(/[.)]$/)?.input");
    const shot = async (page, name) => {
      if (SHOTS) await page.screenshot({ path: join(SHOTS, `${kind}-${name}.png`) });
    };

    test("it lists what is stored, and is walked through with the keyboard alone", async () => {
      const page = await openWithSample("walk");
      const { coValues } = await page.evaluate(() => storage.stats());
      assert.equal((await page.evaluate("tools.texts('.row')")).length, coValues);
      assert.match((await page.evaluate("tools.texts('.pages span')"))[0], new RegExp(`of ${coValues}$`));
      assert((await page.evaluate("tools.texts('.row .badge')")).includes("comap · account"));

      // In the order in which one reads.
      await page.focus("#sample");
      const order = [];
      for (let n = 0; n < 8; n++) {
        await page.keyboard.press("Tab");
        order.push(await focused(page));
      }
      assert.deepEqual(order, [
        "Close the inspector",
        "Id of a CoValue",
        "Find",
        "Verify",
        "Compact",
        "Export",
        "Import…",
        "CoValues",
      ]);
      const chosen = () => page.evaluate("tools.within('[aria-selected=true] .id').textContent");
      const ids = await page.evaluate("tools.texts('.row .id')");
      for (const [key, at] of [
        ["ArrowDown", 1],
        ["ArrowDown", 2],
        ["ArrowUp", 1],
        ["End", coValues - 1],
        ["Home", 0],
        ["ArrowUp", 0],
      ]) {
        await page.keyboard.press(key);
        assert.equal(await chosen(), ids[at], key);
      }
      const active = "tools.within('.list').getAttribute('aria-activedescendant')";
      assert.equal(
        await page.evaluate(active),
        await page.evaluate("tools.within('[aria-selected=true]').id"),
      );
      await page.keyboard.press("Enter");
      await page.waitForFunction("!tools.within('.detail').hidden");
      assert.equal((await page.evaluate("tools.texts('.detail h3')"))[0], ids[0]);
      const report = await page.evaluate((id) => storage.inspect(id), ids[0]);
      const rows = await page.evaluate("tools.texts('.detail tbody tr')");
      assert.equal(rows.length, report.sessions.length);
      for (const [n, { id, transactions, lastSignature }] of report.sessions.entries()) {
        assert(rows[n].startsWith(id + transactions) && rows[n].endsWith(lastSignature), rows[n]);
      }
      await shot(page, "open");
      await page.keyboard.press("Escape");
      assert(await page.evaluate("tools.within('.detail').hidden"));
      assert.equal(await focused(page), "CoValues");

      // A search finds one, and its absence is said; Escape brings all back.
      const find = async (id) => {
        await page.evaluate("tools.within('input[type=search]').focus()");
        await page.keyboard.type(id);
        await page.keyboard.press("Enter");
      };
      await find(ids[7]);
      await page.waitForFunction("tools.texts('.row').length === 1 && !tools.within('.detail').hidden");
      assert.equal((await page.evaluate("tools.texts('.detail h3')"))[0], ids[7]);
      await page.keyboard.press("Escape");
      await page.waitForFunction((all) => tools.texts(".row").length === all, {}, coValues);
      await find("co_zNobody");
      await page.waitForFunction("tools.texts('.empty')[0] === 'No CoValue has this id.'");
      await page.keyboard.press("Escape");
      await page.waitForFunction((all) => tools.texts(".row").length === all, {}, coValues);

      const unnamed = await page.evaluate(() =>
        [...tools.host().shadowRoot.querySelectorAll("button, input, [tabindex]")]
          .filter((one) => !(one.getAttribute("aria-label") ?? (one.labels?.[0] ?? one).textContent).trim())
          .map((one) => one.outerHTML),
      );
      assert.deepEqual(unnamed, []);
      // Nothing sticks out, however narrow it is.
      for (const width of [1200, 600, 320]) {
        await page.setViewport({ width, height: 800 });
        const wide = await page.evaluate(() => [
          document.documentElement.scrollWidth,
          tools.within(".panel").scrollWidth - tools.within(".panel").clientWidth,
        ]);
        assert(wide[0] <= width && wide[1] <= 0, `${width}: ${wide}`);
        await shot(page, `width-${width}`);
      }
      await page.evaluate("tools.within('.list').focus()");
      // The value that was found is open still, if it was not closed.
      for (let n = 0; n < 2 && (await page.evaluate("tools.host() !== null")); n++)
        await page.keyboard.press("Escape");
      assert.equal(await page.evaluate("document.querySelector('#panel > section')"), null);
      assert.deepEqual(page.problems, []);
      await page.close();
    });

    test("two tabs: who leads, and how many there are", async () => {
      const first = await open("leads");
      const second = await open("leads");
      await first.bringToFront();
      await first.waitForFunction("tools.texts('.badge').includes('2 connections')");
      assert((await first.evaluate("tools.texts('.badges .badge')")).includes("This tab leads"));
      await second.bringToFront();
      await second.waitForFunction("tools.texts('.badge').includes('Another tab leads')");
      await first.close();
      await second.waitForFunction("tools.texts('.badge').includes('This tab leads')");
      await second.waitForFunction("tools.texts('.badge').includes('1 connection')");
      await second.close();
    });

    test("a browser's archive is restored on Node, and Node's in the browser; nothing that exists is replaced", async () => {
      const page = await openWithSample("export");
      const stored = await page.evaluate("tools.contents()");
      await page.evaluate("tools.press('Export')");
      assert.match(await (await said(page)).jsonValue(), /^Exported .* to export-.*\.jazzbackup\.$/);
      const exported = join(folder, `${kind}.jazzbackup`);
      writeFileSync(exported, Buffer.from(await page.evaluate("tools.saved()"), "base64"));

      const path = join(folder, kind);
      await restoreBackup({ from: { file: exported }, path });
      const storage = await createNativeStorage({ path });
      const onNode = [];
      for (const { id } of stored) onNode.push(await storage.inspect(id));
      assert.deepEqual(onNode, stored);
      assert.equal((await storage.stats()).coValues, stored.length);
      assert.deepEqual((await storage.verify()).damage, []);
      const fromNode = join(folder, `${kind}-node.jazzbackup`);
      await storage.backup({ file: fromNode });
      await storage.close();

      const imported = async (file, name) => {
        await page.evaluate("tools.press('Import…')");
        const input = await page.evaluateHandle("tools.within('input[type=file]')");
        await input.uploadFile(file);
        await page.evaluate("tools.within('dialog input[name=database]').focus()");
        await page.keyboard.type(name);
        await page.evaluate("tools.press('Import')");
        return await (await said(page)).jsonValue();
      };
      assert.match(await imported(fromNode, "imported"), /^Imported .* to the new database "imported"\.$/);
      assert.match(await imported(fromNode, "imported"), /TARGET_EXISTS/);
      assert.match(await imported(fromNode, "export"), /is open.*LOCKED/);
      const cut = join(folder, `${kind}-cut.jazzbackup`);
      writeFileSync(cut, readFileSync(fromNode).subarray(0, -10));
      assert.match(await imported(cut, "cut"), /CORRUPT/);
      assert.match(await imported(import.meta.filename, "foreign"), /NOT_A_BACKUP/);
      const directories = await page.evaluate(async () => {
        const all = await (await navigator.storage.getDirectory()).getDirectoryHandle("jazz-native-storage");
        return await Array.fromAsync(all.keys());
      });
      assert(directories.includes("imported"));
      assert(!directories.includes("cut") && !directories.includes("foreign"), String(directories));
      const other = await open("imported");
      assert.deepEqual(await other.evaluate("tools.contents()"), stored);
      await other.close();
      await page.close();
    });

    test("others are answered while it verifies, compacts and exports, and verifying can be cancelled", async () => {
      const page = await open("busy");
      await page.evaluate("tools.fill('co_zb', 400, 50_000)");
      for (const method of ["verify", "exportArchive", "compact"]) {
        const { answered, longest, took } = await page.evaluate(async (of) => {
          let isDone = false;
          const began = performance.now();
          const done = storage[of]().then(() => {
            isDone = true;
          });
          let [answered, longest] = [0, 0];
          while (!isDone) {
            const asked = performance.now();
            await storage.inspect(`co_zb${answered % 400}`);
            longest = Math.max(longest, performance.now() - asked);
            if (!isDone) answered++;
          }
          await done;
          return { answered, longest, took: performance.now() - began };
        }, method);
        console.log(
          `${kind}, ${method} of 20 MB: ${took.toFixed()} ms, ${answered} loads answered meanwhile, the slowest after ${longest.toFixed()} ms`,
        );
        // Held up by it, the first one would be answered at its end.
        assert(answered >= 2, `${method}: ${answered} were answered in ${took} ms`);
      }
      await page.evaluate("tools.press('Verify'), tools.press('Cancel')");
      assert.match(await (await said(page)).jsonValue(), /^Verifying was cancelled/);
      assert.deepEqual(await page.evaluate("storage.verify().then(({ damage }) => damage)"), []);
      assert.equal(
        (await page.evaluate("storage.inspect('co_zb399')")).sessions[0].lastSignature,
        "signature_z399",
      );
      await page.close();
    });

    test("damage is reported in its place", async () => {
      const page = await openWithSample("damaged");
      await page.evaluate("storage.close()");
      await page.goto("about:blank");
      await page.goto(`${site.url}?name=other`);
      await page.waitForFunction(READY);
      await page.evaluate(tools);
      for (let attempt = 0; ; attempt++) {
        try {
          await page.evaluate("tools.damage('damaged')");
          break;
        } catch (error) {
          if (attempt === 20) throw error;
          await pause(100);
        }
      }
      await page.close();
      const again = await open("damaged");
      await again.evaluate("tools.press('Verify')");
      assert.match(await (await said(again)).jsonValue(), /^Damage in \d+ places?;/);
      const damage = await again.evaluate("tools.texts('.note li')");
      assert(damage.length > 0 && damage.every((line) => /^[\w.-]+\+\d+ /.test(line)), damage.join("\n"));
      await shot(again, "damage");
      await again.close();
    });
  });
}
