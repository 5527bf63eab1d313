/** Takes the storages through their phases in a browser: each of them, in each round, in a profile of its own. */
import { launch, makeProfile, removeProfile } from "../../../npm/jazz-native-storage/test/web/browsers.mjs";
import { valuesOf } from "../web/workloads.mjs";
import { progress } from "./command.mjs";
import { PHASES } from "./web-plan.mjs";

/**
 * @typedef {import("puppeteer-core").Page} Page
 * @typedef {import("../web/page.mjs").Task} Task
 * @typedef {import("../web/workloads.mjs").Workload} Workload
 * @typedef {import("./web-plan.mjs").Phase} Phase
 * @typedef {import("../../../npm/jazz-native-storage/test/web/browsers.mjs").BrowserName} BrowserName
 * @typedef {"ours" | "indexeddb"} Side
 *
 * @typedef {object} Setting
 * @property {string} url of the pages
 * @property {BrowserName} browser
 * @property {number} seed
 */

/** @type {readonly Side[]} */
export const SIDES = ["ours", "indexeddb"];
const READY = "globalThis.bench";

/**
 * Every phase once, and everything compared with what was stored.
 *
 * @param {Setting} setting
 * @param {Side} side
 * @param {Record<"one" | "hundred", Workload>} workloads
 * @returns {Promise<Map<string, number>>} milliseconds by name of the phase
 */
export async function throughPhases({ url, browser: kind, seed }, side, workloads) {
  /** @type {Map<string, number>} */
  const took = new Map();
  const profile = makeProfile();
  const address = `${url}${side}.html`;
  const measure = async (
    /** @type {Page} */ page,
    /** @type {Phase} */ { name, title, does, store, ...how },
  ) => {
    progress(`${kind}, ${side}: ${title}`);
    const task = { workload: workloads[how.workload], seed, window: how.window };
    await run(page, "prepare", store, task);
    took.set(name, await run(page, does, store, task));
    // What is left to be done in the background is no part of what comes next.
    await run(page, "close", store);
  };
  try {
    let browser = await launch(kind, { profile, keepProfile: true });
    try {
      const page = await browser.open(address, { ready: READY });
      for (const phase of PHASES.filter(({ when }) => when === "first")) {
        await run(page, "open", phase.store);
        await measure(page, phase);
      }
      for (const phase of PHASES.filter(({ when }) => when === "second")) {
        await run(page, "open", phase.store);
        const second = await browser.open(address, { ready: READY });
        await run(second, "open", phase.store);
        await measure(second, phase);
        await second.close();
        await run(page, "close", phase.store);
      }
    } finally {
      await browser.close();
    }
    browser = await launch(kind, { profile, keepProfile: true });
    try {
      const page = await browser.open(address, { ready: READY });
      for (const phase of PHASES.filter(({ when }) => when === "again")) {
        await run(page, "open", phase.store);
        await measure(page, phase);
      }
      progress(`${kind}, ${side}: comparing`);
      for (const { store, workload } of PHASES.filter(({ does }) => does === "store")) {
        await run(page, "open", store);
        await run(page, "verify", store, { workload: workloads[workload], seed, window: 1 });
      }
    } finally {
      await browser.close();
    }
  } finally {
    removeProfile(profile);
  }
  return took;
}

/**
 * From the start of a page to the first value that it loads, for each of several pages, the first of them in a browser that
 * was just started.
 *
 * @param {Setting} setting
 * @param {Side} side
 * @param {Workload} workload
 * @param {number} pages
 * @returns {Promise<number[]>} milliseconds
 */
export async function startPages({ url, browser: kind, seed }, side, workload, pages) {
  const profile = makeProfile();
  const [first] = inParts(workload, seed, 1);
  const id = first && valuesOf(first.workload, first.seed).values[0]?.[0]?.id;
  try {
    let browser = await launch(kind, { profile, keepProfile: true });
    progress(`${kind}, ${side}: storing ${workload.values} values`);
    try {
      const page = await browser.open(`${url}${side}.html`, { ready: READY });
      await run(page, "open", "start");
      for (const task of inParts(workload, seed, 64)) await run(page, "store", "start", task);
      await run(page, "close", "start");
    } finally {
      await browser.close();
    }
    browser = await launch(kind, { profile, keepProfile: true });
    try {
      const took = [];
      for (let at = 0; at < pages; at++) {
        progress(`${kind}, ${side}: page ${at + 1}`);
        const page = await browser.open(`${url}${side}.html#first=start,${id}`, { ready: READY });
        took.push(Number(await page.evaluate("bench.first")));
        await page.close();
      }
      return took;
    } finally {
      await browser.close();
    }
  } finally {
    removeProfile(profile);
  }
}

/**
 * Memory of the worker with so much stored and all of it loaded once, in bytes. Chromium only.
 *
 * @param {Setting} setting
 * @param {Workload} workload
 */
export async function workerMemory({ url, browser: kind, seed }, workload) {
  const browser = await launch(kind);
  try {
    progress(`${kind}, ours: memory`);
    const page = await browser.open(`${url}ours.html`, { ready: READY });
    await run(page, "open", "large");
    for (const method of /** @type {const} */ (["store", "load"])) {
      for (const task of inParts(workload, seed, 8)) await run(page, method, "large", task);
    }
    const [worker] = page.workers();
    if (!worker) throw new Error("the page has no worker");
    return await memoryOf(worker.client);
  } finally {
    await browser.close();
  }
}

/** So many tasks a large one is divided into, each of which is answered in time and takes little memory. */
const PARTS = 10;

/**
 * @param {Workload} workload
 * @param {number} seed of the first part
 * @param {number} window
 * @returns {Task[]}
 */
function inParts(workload, seed, window) {
  const values = Math.ceil(workload.values / PARTS);
  return Array.from({ length: PARTS }, (_, part) => ({
    workload: { ...workload, values },
    seed: seed + part,
    window,
  }));
}

/**
 * What JavaScript has in use in a context, garbage apart, and all memories of WebAssembly.
 *
 * @param {import("puppeteer-core").CDPSession} session
 */
async function memoryOf(session) {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, ...more } = await session.send("Runtime.getHeapUsage");
  const buffers = Number(/** @type {{ backingStorageSize?: number }} */ (more).backingStorageSize ?? 0);
  const { result } = await session.send("Runtime.evaluate", { expression: "WebAssembly.Memory.prototype" });
  const { objects } = await session.send("Runtime.queryObjects", {
    prototypeObjectId: String(result.objectId),
  });
  const sum = await session.send("Runtime.callFunctionOn", {
    objectId: String(objects.objectId),
    functionDeclaration:
      "function () { return this.reduce((sum, { buffer }) => sum + buffer.byteLength, 0) }",
    returnByValue: true,
  });
  return usedSize + buffers + Number(sum.result.value);
}

/**
 * @param {Page} page
 * @param {Exclude<keyof import("../web/page.mjs").Bench, "first">} method
 * @param {string} name
 * @param {Task} [task]
 */
async function run(page, method, name, task) {
  const call = `bench.${method}(${[name, task].map((argument) => JSON.stringify(argument)).join(", ")})`;
  return Number(await page.evaluate(call));
}
