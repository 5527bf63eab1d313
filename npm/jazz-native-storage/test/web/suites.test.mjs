/**
 * What every platform has to pass, in each browser: the checks of `FileIO`, the cases for bindings and the tests of the
 * storage.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, serveLab } from "./browsers.mjs";

let site;
before(async () => {
  site = await serveLab();
});
after(() => site.close());

/** Test files of the package, and how many tests they have at least. */
const FILES = { storage: 20, codec: 20, node: 1 };

for (const kind of ["chromium", "firefox"]) {
  describe(kind, () => {
    let browser;
    let page;
    before(async () => {
      browser = await launch(kind);
      page = await browser.open(site.url);
    });
    after(() => browser.close());

    test("the private file system does what FileIO promises", async () => {
      const { failed, lines } = await page.evaluate(() => lab.suite("files"));
      assert.equal(failed, 0, lines.join("\n"));
      assert.equal(lines.length, 12);
    });

    test("the WebAssembly module passes the cases for bindings on it", async () => {
      const { failed, lines } = await page.evaluate(() => lab.suite("cases"));
      assert.equal(failed, 0, lines.join("\n"));
      assert.match(lines.at(-1), /web: \d+ cases, (\d+) passed, 0 failed, 0 not applicable/);
      console.log(`${kind}: ${lines.at(-1)}`);
    });

    for (const [file, least] of Object.entries(FILES)) {
      test(`the tests of the package pass: ${file}`, async () => {
        const tests = await browser.open(`${site.url}tests.html`, { ready: "globalThis.tests" });
        const outcomes = await tests.evaluate((name) => globalThis.tests.run([name]), file);
        assert.deepEqual(
          outcomes.filter(({ state }) => state !== "pass" && state !== "skip"),
          [],
        );
        const passed = outcomes.filter(({ state }) => state === "pass").length;
        assert(passed >= least, `only ${passed} tests were found`);
        console.log(`${kind}: ${passed} tests of ${file} pass`);
        await tests.close();
      });
    }
  });
}
