/**
 * The app as it is built, in browsers: what is entered is there after a reload, in another tab and after a start of the
 * browser, and nothing of it is in IndexedDB.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  launch,
  makeProfile,
  removeProfile,
  serve,
} from "../../../npm/jazz-native-storage/test/web/browsers.mjs";

let site;
before(async () => {
  site = await serve(new URL("../dist", import.meta.url).pathname);
});
after(() => site.close());

const READY = "document.querySelector('main')";

/** What the list shows. */
const entries = (page) =>
  page.$$eval("li", (items) =>
    items.map((item) => ({
      text: item.querySelector("span").textContent,
      isDone: item.querySelector("input").checked,
    })),
  );

async function add(page, text) {
  await page.type("form input", text);
  await page.click("form button");
  await page.waitForFunction(
    (entered) => [...document.querySelectorAll("li span")].some(({ textContent }) => textContent === entered),
    {},
    text,
  );
}

for (const kind of ["chromium", "firefox"]) {
  describe(kind, () => {
    const profile = makeProfile();
    after(() => removeProfile(profile));

    test("what is entered is kept", async () => {
      let browser = await launch(kind, { profile, keepProfile: true });
      const page = await browser.open(site.url, { ready: READY });
      await add(page, "Write it down");
      await add(page, "Read it again");
      await page.click("li input");
      await page.waitForSelector("li.done");
      const entered = [
        { text: "Write it down", isDone: true },
        { text: "Read it again", isDone: false },
      ];
      assert.deepEqual(await entries(page), entered);
      if (process.env.JAZZ_SCREENSHOTS)
        await page.screenshot({ path: `${process.env.JAZZ_SCREENSHOTS}/react-${kind}.png` });

      await page.reload();
      await page.waitForFunction("document.querySelectorAll('li').length === 2");
      assert.deepEqual(await entries(page), entered);

      const other = await browser.open(site.url, { ready: READY });
      await other.waitForFunction("document.querySelectorAll('li').length === 2");
      assert.deepEqual(await entries(other), entered);
      await add(other, "From another tab");
      const stores = await other.evaluate(async () => ({
        indexedDb: (await indexedDB.databases()).map(({ name }) => name),
        ours: await Array.fromAsync((await navigator.storage.getDirectory()).keys()),
      }));
      assert.deepEqual(stores.indexedDb, []);
      assert.deepEqual(stores.ours, ["jazz-native-storage"]);
      assert.deepEqual([...page.problems, ...other.problems], []);
      await browser.close();

      browser = await launch(kind, { profile, keepProfile: true });
      try {
        const again = await browser.open(site.url, { ready: READY });
        await again.waitForFunction("document.querySelectorAll('li').length === 3");
        assert.deepEqual(await entries(again), [...entered, { text: "From another tab", isDone: false }]);
      } finally {
        await browser.close();
      }
    });
  });
}
