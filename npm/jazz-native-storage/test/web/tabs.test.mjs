/**
 * Tabs on one database: all store at once, the one that leads ends in the midst of it, the others go on and nothing that was
 * acknowledged to any of them is missing.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { crash, freeze, launch, pause, serveLab, thaw } from "./browsers.mjs";

/** Within this the others acknowledge again. */
const HANDED_OVER_MS = 5_000;
const BURST_MS = 300;

let site;
before(async () => {
  site = await serveLab();
});
after(() => site.close());

/** How a tab that leads ends. */
const ENDINGS = {
  closed: (page) => page.close(),
  "left for another page": (page) => page.goto("about:blank"),
  reloaded: (page) => page.reload(),
  crashed: crash,
  frozen: freeze,
};
/** How many tabs there are then. What ends a tab but by Chromium's protocol is the same to all browsers: some of it will do. */
const TABS = {
  chromium: {
    closed: [2, 6, 20],
    "left for another page": [2, 6],
    reloaded: [2],
    crashed: [2, 6],
    frozen: [2, 6],
  },
  firefox: { closed: [2], "left for another page": [6] },
};

let databases = 0;

/** Tabs that have opened a new database, the first of which leads. */
async function openTabs(browser, count) {
  const name = `tabs-${databases++}`;
  const tabs = [];
  for (let n = 0; n < count; n++) {
    const page = await browser.open(site.url);
    await page.evaluate((database) => lab.open(database), name);
    tabs.push({ page, prefix: `co_z${n}x` });
  }
  return { name, tabs };
}

const acknowledged = ({ page, prefix }) => page.evaluate((one) => lab.acknowledged(one), prefix);

for (const kind of ["chromium", "firefox"]) {
  describe(kind, () => {
    let browser;
    before(async () => {
      browser = await launch(kind);
    });
    after(() => browser.close());

    for (const [ending, counts] of Object.entries(TABS[kind])) {
      for (const count of counts) {
        test(`${count} tabs, the leader ${ending}`, async () => {
          const { name, tabs } = await openTabs(browser, count);
          await Promise.all(
            tabs.map(({ page, prefix }) => page.evaluate((...of) => lab.burst(...of), name, prefix)),
          );
          await pause(BURST_MS);
          const [leader, ...others] = tabs;
          const found = [await acknowledged(leader)];
          assert(found[0].own > 10, "the leader stores");
          await ENDINGS[ending](leader.page);
          const ended = Date.now();
          for (const tab of others) {
            let last = 0;
            for (const begun = Date.now(); last <= ended && Date.now() < begun + 2 * HANDED_OVER_MS; ) {
              await pause(20);
              ({ last } = await acknowledged(tab));
            }
            assert(last > ended, `${tab.prefix} is not acknowledged any more`);
            tab.again = last - ended;
          }
          const longest = Math.max(...others.map(({ again }) => again));
          assert(longest < HANDED_OVER_MS, `acknowledged again after ${longest} ms`);
          await pause(BURST_MS);
          for (const { page, prefix } of others) {
            found.push(await page.evaluate((one) => lab.endBurst(one), prefix));
          }
          const last = others.at(-1);
          assert.deepEqual(await last.page.evaluate((...of) => lab.missing(...of), name, found), []);
          if (ending === "frozen") {
            await thaw(leader.page);
            const back = await leader.page.evaluate((one) => lab.endBurst(one), leader.prefix);
            assert(back.own > found[0].own, "who was frozen goes on");
            assert.deepEqual(await leader.page.evaluate((...of) => lab.missing(...of), name, [back]), []);
          }
          const { damage } = await others[0].page.evaluate((of) => lab.verify(of), name);
          assert.deepEqual(damage, []);
          assert.deepEqual(
            others.flatMap(({ page }) => page.problems),
            [],
          );
          const stored = found.reduce((sum, { own, shared }) => sum + own + shared, 0);
          console.log(
            `${kind}, ${count} tabs, the leader ${ending}: again after ${longest} ms, ${stored} acknowledged, 0 missing`,
          );
          for (const { page } of tabs) if (!page.isClosed()) await page.close();
        });
      }
    }

    test("a dedicated worker runs the engine itself, leads and is led", async () => {
      const name = `own-${databases++}`;
      const [page, other] = [await browser.open(site.url), await browser.open(site.url)];
      const own = (...what) => page.evaluate((...of) => lab.own(...of), ...what);
      assert.deepEqual(await own("open", name), { workers: 0 });
      assert.equal(await own("store", "co_za", 50), 50);
      // It leads.
      await other.evaluate((of) => lab.open(of), name);
      assert.equal((await other.evaluate((of) => lab.loadAll(of, 50, "co_za"), name)).found, 50);
      assert.equal(await other.evaluate((of) => lab.fill(of, 50, { prefix: "co_zb", size: 100 }), name), 50);
      assert.equal((await other.evaluate((of) => lab.stats(of), name)).hosting.isHere, false);
      assert.equal(await own("find", "co_zb", 50), 50);
      // It closes its storage, and then goes on as one who is led.
      assert.deepEqual(await own("close"), { workers: 0 });
      assert.equal((await other.evaluate((of) => lab.loadAll(of, 50, "co_za"), name)).found, 50);
      assert.equal((await other.evaluate((of) => lab.stats(of), name)).hosting.isHere, true);
      assert.deepEqual(await own("open", name), { workers: 0 });
      assert.equal(await own("store", "co_zc", 50), 50);
      assert.equal(await own("find", "co_zb", 50), 50);
      // The one that leads ends: what ran the engine once starts a worker for it.
      await other.close();
      assert.equal(await own("store", "co_zd", 50), 50);
      assert.equal(await own("find", "co_za", 50), 50);
      // It ends with what it had acknowledged.
      await page.evaluate(() => lab.endOwn());
      assert.deepEqual(await own("open", name), { workers: 0 });
      assert.equal(await own("find", "co_zd", 50), 50);
      assert.deepEqual(page.problems, []);
      await page.close();
    });

    test("a write just before a reload is there after it", async () => {
      const page = await browser.open(site.url);
      for (let round = 0; round < 10; round++) {
        await page
          .evaluate(async (n) => {
            await lab.open("reload");
            lab.store("reload", 1, { prefix: `co_z${n}y` });
            location.reload();
          }, round)
          .catch(() => {});
        await page.waitForFunction("globalThis.lab && document.readyState === 'complete'");
        await page.evaluate(() => lab.open("reload"));
        const { found } = await page.evaluate((n) => lab.loadAll("reload", 1, `co_z${n}y`), round);
        assert.equal(found, 1, `round ${round}`);
      }
      await page.close();
    });
  });
}
