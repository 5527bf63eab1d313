/**
 * Browsers killed in the midst of storing, with all their processes: nothing that was acknowledged is missing afterwards, in
 * the same profile. What has been acknowledged the page tells at once, so at most a moment of it is not known here.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, makeProfile, pause, removeProfile, serveLab } from "./browsers.mjs";

/** Kills of each browser: as many as said, or a few, since each takes seconds. */
const KILLS = Number(process.env.JAZZ_BROWSER_KILLS ?? 0);
const ROUNDS = { chromium: KILLS || 6, firefox: KILLS || 3 };
const [LEAST_MS, MOST_MS] = [50, 600];

let site;
before(async () => {
  site = await serveLab();
});
after(() => site.close());

for (const kind of ["chromium", "firefox"]) {
  test(`${kind}: nothing acknowledged is missing after ${ROUNDS[kind]} kills`, {
    timeout: 300_000,
  }, async () => {
    const profile = makeProfile();
    const all = [];
    try {
      for (let round = 0; round < ROUNDS[kind]; round++) {
        const browser = await launch(kind, { profile, keepProfile: true });
        const page = await browser.open(site.url);
        await page.evaluate(() => lab.open("kill"));
        // Of the rounds before, the last one in full.
        assert.deepEqual(
          await page.evaluate((of) => lab.missing("kill", of), all.slice(-1)),
          [],
          `round ${round}`,
        );
        const prefix = `co_z${round}k`;
        await page.evaluate((one) => lab.burst("kill", one), prefix);
        const until = Date.now() + LEAST_MS + Math.random() * (MOST_MS - LEAST_MS);
        let told = { prefix, own: 0, shared: 0 };
        while (Date.now() < until) {
          told = await page.evaluate((one) => lab.acknowledged(one), prefix);
          await pause(5);
        }
        all.push(told);
        await browser.kill();
      }
      const browser = await launch(kind, { profile, keepProfile: true });
      const page = await browser.open(site.url);
      await page.evaluate(() => lab.open("kill"));
      assert.deepEqual(await page.evaluate((of) => lab.missing("kill", of), all), []);
      const { damage } = await page.evaluate(() => lab.verify("kill"));
      assert.deepEqual(damage, []);
      await browser.close();
      const acknowledged = all.reduce((sum, { own, shared }) => sum + own + shared, 0);
      assert(acknowledged > 100 * ROUNDS[kind], `${acknowledged} were acknowledged`);
      console.log(`${kind}: ${ROUNDS[kind]} kills, ${acknowledged} acknowledged, 0 missing`);
    } finally {
      removeProfile(profile);
    }
  });
}
