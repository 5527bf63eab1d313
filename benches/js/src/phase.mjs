/**
 * One phase of a measurement, in a process of its own: `phase.mjs store|load PEER DIRECTORY TRACE SEED`. The
 * result goes to the parent over the channel of `fork`.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { contentDigest, deliveryDigest } from "./digest.mjs";
import { sizeOnDisk, startMeasuring, watchMemory } from "./machine.mjs";
import { isPeer, PEERS } from "./peers.mjs";
import { seeded, shuffled } from "./random.mjs";

/**
 * @typedef {import("cojson").StorageAPI} StorageAPI
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 * @typedef {import("cojson").CojsonInternalTypes.CoValueKnownState} KnownState
 * @typedef {import("./machine.mjs").Cost} Cost
 * @typedef {import("./peers.mjs").Opened} Opened
 *
 * @typedef {object} StoreResult
 * @property {Cost} open
 * @property {Cost} work until every message has been reported stored
 * @property {Cost} close
 * @property {number} diskBytes after closing
 * @property {number | undefined} peakBytes resident memory at its peak, less that before opening
 *
 * @typedef {object} LoadResult
 * @property {Cost} open
 * @property {Cost} known known states of all CoValues
 * @property {Cost} work all CoValues, each with all its content
 * @property {number | undefined} peakBytes the loaded content included, which stays in memory
 * @property {number} messages delivered
 * @property {string} content digest of the values
 * @property {string} deliveries digest of the messages as they came
 */

const [phase, peer = "", directory = "", file = "", seed = ""] = process.argv.slice(2);
if (!isPeer(peer)) throw new Error(`there is no storage ${peer}`);
/** @type {Message[]} */
const messages = readFileSync(file, "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line));
const result = phase === "store" ? await store() : await load();
process.send?.(result);

/** @returns {Promise<StoreResult>} */
async function store() {
  const peak = watchMemory();
  const { opened, cost } = await open();
  const { storage } = opened;

  const measured = startMeasuring();
  await new Promise((resolve) => {
    let missing = messages.length;
    const done = () => {
      missing -= 1;
      if (missing === 0) resolve(undefined);
    };
    for (const message of messages) storage.store(message, refuseCorrection, done);
  });
  const work = measured();

  const closing = startMeasuring();
  await opened.close();
  return { open: cost, work, close: closing(), diskBytes: sizeOnDisk(directory), peakBytes: peak() };
}

/** @returns {Promise<LoadResult>} */
async function load() {
  const ids = shuffled(seeded(Number(seed)), [...new Set(messages.map(({ id }) => id))]);
  /** @type {Message[]} */
  const loaded = [];
  const keep = (/** @type {Message} */ message) => loaded.push(message);
  const peak = watchMemory();
  const { opened, cost } = await open();
  const { storage } = opened;

  const measured = startMeasuring();
  for (const id of ids) {
    await new Promise((resolve, reject) => {
      storage.load(id, keep, (found) => (found ? resolve(id) : reject(new Error(`${id} is not stored`))));
    });
    for (let rest = storage.streamingQueue?.pull(); rest; rest = storage.streamingQueue?.pull()) rest();
  }
  const work = measured();
  const peakBytes = peak();
  await opened.close();

  const known = await loadKnownStates(ids);
  const [content, deliveries] = [contentDigest(loaded), deliveryDigest(loaded)];
  return { open: cost, known, work, peakBytes, messages: loaded.length, content, deliveries };
}

/**
 * Through a second opening, in which nothing has been loaded. Their counters must be those of the messages.
 *
 * @param {string[]} ids
 */
async function loadKnownStates(ids) {
  const { opened } = await open();
  /** @type {(KnownState | undefined)[]} */
  const states = [];
  const measured = startMeasuring();
  for (const id of ids) {
    await new Promise((resolve) => {
      opened.storage.loadKnownState(id, (state) => resolve(states.push(state)));
    });
  }
  const cost = measured();
  await opened.close();
  const counters = new Map(ids.map((id) => [id, new Map()]));
  for (const { id, new: sessions } of messages) {
    for (const [session, { after, newTransactions }] of Object.entries(sessions)) {
      counters.get(id)?.set(session, after + newTransactions.length);
    }
  }
  for (const [at, id] of ids.entries()) {
    const known = states[at]?.header ? Object.entries(states[at].sessions).sort() : undefined;
    assert.deepEqual(known, [...(counters.get(id) ?? [])].sort(), `known state of ${id}`);
  }
  return cost;
}

async function open() {
  const measured = startMeasuring();
  const opened = await PEERS[/** @type {import("./peers.mjs").PeerName} */ (peer)].open(directory);
  return { opened, cost: measured() };
}

/**
 * @param {KnownState} state
 * @returns {never}
 */
function refuseCorrection(state) {
  throw new Error(`${state.id}: the storage asks for a correction of what it was given in order`);
}
