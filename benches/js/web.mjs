/**
 * Measures the native storage in browsers against cojson-storage-indexeddb, at the level of `StorageAPI`: the same page, the
 * same messages, in turns. What is loaded is compared with what was stored.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { build } from "vite";
import { PROGRAMS, serve } from "../../npm/jazz-native-storage/test/web/browsers.mjs";
import { keepFigures, progress, whole } from "./src/command.mjs";
import { commit, describeMachine, load, versionOf } from "./src/machine.mjs";
import { largeWorkload, PHASES, startWorkload, workloadsOf } from "./src/web-plan.mjs";
import { webReport } from "./src/web-report.mjs";
import { SIDES, startPages, throughPhases, workerMemory } from "./src/web-run.mjs";

/**
 * @typedef {import("./src/web-report.mjs").BrowserFigures} BrowserFigures
 * @typedef {import("../../npm/jazz-native-storage/test/web/browsers.mjs").BrowserName} BrowserName
 */

const BROWSERS = /** @type {BrowserName[]} */ (Object.keys(PROGRAMS));

const USAGE = `node web.mjs [options]

  --quick         few messages and one round: shows that everything works, measures nothing
  --rounds N      rounds (3; with --quick 1)
  --pages N       pages started (7; with --quick 1)
  --browsers A,B  browsers, of ${BROWSERS.join(", ")} (all)
  --seed N        seed of the messages (1)
  --only A,B      parts, of phases, start, memory (all)
  --out FILE      where the report is written as well
`;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    pages: { type: "string" },
    browsers: { type: "string" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "phases,start,memory" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const { quick } = options;
const rounds = whole("rounds", options.rounds ?? (quick ? "1" : "3"), USAGE);
const pages = whole("pages", options.pages ?? (quick ? "1" : "7"), USAGE);
const seed = whole("seed", options.seed, USAGE);
const browsers = options.browsers?.split(",").map(named) ?? BROWSERS;
const parts = options.only.split(",");

const app = new URL("web/", import.meta.url).pathname;
await build({ root: app, configFile: `${app}vite.config.mjs` });
const server = await serve(new URL("../../target/web/bench", import.meta.url).pathname, { isDeployed: true });
const machine = describeMachine();
/** @type {BrowserFigures[]} */
const figures = [];
try {
  for (const browser of browsers) figures.push(await measure(browser));
} finally {
  server.close();
}
progress("");

const facts = {
  quick,
  commit: commit(),
  machine,
  loadAfter: load(),
  seed,
  rounds,
  indexeddb: versionOf("cojson-storage-indexeddb"),
};
const report = webReport(facts, figures);
console.log(report);
if (options.out) writeFileSync(options.out, report);
console.log(`Raw figures: ${keepFigures("web", { ...facts, figures })}`);

/**
 * @param {BrowserName} browser
 * @returns {Promise<BrowserFigures>}
 */
async function measure(browser) {
  const setting = { url: server.url, browser, seed };
  const workloads = workloadsOf(quick);
  /** @type {BrowserFigures} */
  const found = { browser, version: version(browser), phases: [], start: undefined, memory: undefined };
  if (parts.includes("phases")) {
    found.phases = PHASES.map(({ name, title, workload, does }) => {
      const { values, messages } = workloads[workload];
      const operations = does === "store" ? values * messages : values;
      return { name, title, operations, ours: [], indexeddb: [] };
    });
    for (let round = 0; round < rounds; round++) {
      const sides = round % 2 === 0 ? SIDES : [...SIDES].reverse();
      for (const side of sides) {
        const took = await throughPhases(setting, side, workloads);
        for (const phase of found.phases) phase[side].push(took.get(phase.name) ?? Number.NaN);
      }
    }
  }
  if (parts.includes("start")) {
    const workload = startWorkload(quick);
    found.start = { values: workload.values, ours: [], indexeddb: [] };
    for (const side of SIDES) found.start[side] = await startPages(setting, side, workload, pages);
  }
  if (parts.includes("memory") && browser === "chromium") {
    const workload = largeWorkload(quick);
    const { values, messages, transactions, changes } = workload;
    found.memory = {
      stored: values * messages * transactions * changes,
      bytes: await workerMemory(setting, workload),
    };
  }
  return found;
}

/** @param {BrowserName} browser */
function version(browser) {
  return spawnSync(PROGRAMS[browser], ["--version"], { encoding: "utf8" }).stdout?.trim() || browser;
}

/**
 * @param {string} name
 * @returns {BrowserName}
 */
function named(name) {
  const found = BROWSERS.find((browser) => browser === name);
  if (found) return found;
  throw new Error(`there is no browser ${name}\n\n${USAGE}`);
}
