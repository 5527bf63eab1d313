/** What every platform has to pass, in each browser: the checks of `FileIO` and the cases for bindings. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, serveLab } from "./browsers.mjs";

let site;
before(async () => {
  site = await serveLab();
});
after(() => site.close());

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
  });
}
