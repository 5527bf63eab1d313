/**
 * One phase of a measurement, in a process of its own: `phase.mjs store|load|known|about PEER TASK`, the task as JSON. The
 * result goes to the parent over the channel of `fork`, if there is one.
 */
import { openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { Consumer } from "./consumer.mjs";
import { contentDigest, deliveryDigest, knownDigest } from "./digest.mjs";
import { loadAll, loadKnownStates, storeAll } from "./drive.mjs";
import { rest, sizeOnDisk, startMeasuring, watchMemory } from "./machine.mjs";
import { isPeer, peerOf } from "./peers.mjs";

/**
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 * @typedef {import("./machine.mjs").Cost} Cost
 * @typedef {import("./peers.mjs").Opened} Opened
 *
 * @typedef {object} Task
 * @property {string} directory of the store
 * @property {string} messages file of what is stored, a message a line
 * @property {string} ids file of the values to be loaded, an id a line
 * @property {string} [latencies] file to be written with milliseconds, as 32-bit floats
 * @property {number} [first] Only so many messages are stored.
 * @property {number} [window] messages in flight
 * @property {string} [marks] file to be written to just before the first message and just after the last one is done
 * @property {boolean} [verify] Loads everything again, after the measurement.
 *
 * @typedef {object} Contents
 * @property {string} content digest of the values
 * @property {string} deliveries digest of the messages as they came
 * @property {number} delivered how many of them
 *
 * @typedef {object} StoreResult
 * @property {number} operations messages
 * @property {Cost} open
 * @property {Cost} work until every message has been reported stored
 * @property {Cost} close
 * @property {number} diskBytes after closing
 * @property {number | undefined} peakBytes resident memory at its peak, less that before opening
 * @property {Contents} [contents]
 *
 * @typedef {object} LoadResult
 * @property {number} operations values
 * @property {Cost} open of an existing store
 * @property {Cost} work all values, each with all its content
 * @property {number | undefined} peakBytes what is delivered is let go of at once
 * @property {number} messages
 * @property {number} transactions
 * @property {number} characters
 *
 * @typedef {object} KnownResult
 * @property {number} operations values
 * @property {Cost} work
 * @property {string} known digest of the known states
 * @property {Contents} [contents]
 *
 * @typedef {{ node: string, v8: string, sqlite: string | undefined }} AboutResult
 */

const [phase, peer = "", parameters = "{}"] = process.argv.slice(2);
if (!isPeer(peer)) throw new Error(`there is no storage ${peer}`);
/** @type {Task} */
const task = JSON.parse(parameters);
const phases = { store, load, known, about };
if (!phase || !Object.hasOwn(phases, phase)) throw new Error(`there is no phase ${phase}`);
const result = await phases[/** @type {keyof typeof phases} */ (phase)]();
process.send?.(result);

/** @returns {Promise<StoreResult>} */
async function store() {
  const messages = linesOf(task.messages)
    .slice(0, task.first)
    .map((line) => /** @type {Message} */ (JSON.parse(line)));
  const mark = marker();
  const peak = watchMemory();
  await rest();
  const { opened, cost: opening } = await open();
  mark("begin");
  const { cost: work, latencies } = await storeAll(opened.storage, messages, task.window ?? 1);
  mark("end");
  const closing = await close(opened);
  const peakBytes = peak();
  keep(latencies);
  return {
    operations: messages.length,
    open: opening,
    work,
    close: closing,
    diskBytes: sizeOnDisk(task.directory),
    peakBytes,
    ...(await verified([...new Set(messages.map(({ id }) => id))])),
  };
}

/** @returns {Promise<LoadResult>} */
async function load() {
  const ids = linesOf(task.ids);
  const consumer = new Consumer();
  const peak = watchMemory();
  await rest();
  const { opened, cost: opening } = await open();
  const { cost: work, latencies } = await loadAll(opened.storage, ids, consumer.take);
  const peakBytes = peak();
  await close(opened);
  keep(latencies);
  const { messages, transactions, characters } = consumer;
  return { operations: ids.length, open: opening, work, peakBytes, messages, transactions, characters };
}

/** @returns {Promise<KnownResult>} */
async function known() {
  const ids = linesOf(task.ids);
  globalThis.gc?.();
  await rest();
  const { opened } = await open();
  const { cost: work, states } = await loadKnownStates(opened.storage, ids);
  await close(opened);
  const found = states.filter((state) => state?.header).map((state) => /** @type {KnownState} */ (state));
  return { operations: ids.length, work, known: knownDigest(found), ...(await verified(ids)) };
}

/** @typedef {import("cojson").CojsonInternalTypes.CoValueKnownState} KnownState */

/**
 * Which versions a storage runs on, and that it works at the durability it is compared at.
 *
 * @returns {Promise<AboutResult>}
 */
async function about() {
  const { opened } = await open();
  await opened.check();
  const { sqlite } = opened;
  await opened.close();
  return { node: process.version, v8: process.versions.v8, sqlite };
}

/**
 * Everything as it is loaded through an opening of its own, if that is wanted.
 *
 * @param {readonly string[]} ids
 * @returns {Promise<{ contents?: Contents }>}
 */
async function verified(ids) {
  if (!task.verify) return {};
  const { opened } = await open();
  /** @type {Message[]} */
  const loaded = [];
  await loadAll(opened.storage, ids, (message) => loaded.push(message));
  await opened.check();
  await opened.close();
  const [content, deliveries] = [contentDigest(loaded), deliveryDigest(loaded)];
  return { contents: { content, deliveries, delivered: loaded.length } };
}

async function open() {
  const measured = startMeasuring();
  const opened = await peerOf(/** @type {import("./peers.mjs").PeerName} */ (peer)).open(task.directory);
  return { opened, cost: measured() };
}

/** @param {Opened} opened */
async function close(opened) {
  const measured = startMeasuring();
  await opened.close();
  return measured();
}

/** @param {string} file */
function linesOf(file) {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

/** @param {Float64Array} latencies */
function keep(latencies) {
  if (task.latencies) writeFileSync(task.latencies, Float32Array.from(latencies));
}

/** @returns {(name: "begin" | "end") => void} */
function marker() {
  if (!task.marks) return () => {};
  const file = openSync(task.marks, "w");
  return (name) => {
    writeSync(file, `${name}\n`);
  };
}
