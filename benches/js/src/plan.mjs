/** What a run measures: traces and their sizes, storages and the phases they go through. */
import { PEER_NAMES, peerOf } from "./peers.mjs";
import { recordBulk, recordFiles, recordHot, recordSmall } from "./trace.mjs";

/**
 * @typedef {import("./peers.mjs").PeerName} PeerName
 * @typedef {import("./trace.mjs").Trace} Trace
 *
 * @typedef {object} TracePlan
 * @property {(seed: number) => Promise<Trace>} record
 * @property {number} strict So many of its messages are stored where each is synced.
 */

/** Messages in flight where there may be many: those that a storage of the async flavour has not reported done. */
export const WINDOW = 64;

/** Phases in which every message is synced before it is done, and how many are in flight. */
export const STRICT_PHASES = { "store-alone": 1, "store-64": WINDOW };

/** @satisfies {Record<string, TracePlan>} */
const FULL = {
  small: { record: (seed) => recordSmall({ messages: 100_000 }, seed), strict: 10_000 },
  hot: { record: (seed) => recordHot({ messages: 100_000, values: 6 }, seed), strict: 10_000 },
  bulk: { record: (seed) => recordBulk({ messages: 600, transactions: 300, values: 60 }, seed), strict: 500 },
  files: { record: (seed) => recordFiles({ chunks: 400, values: 8 }, seed), strict: 420 },
};

/** @typedef {keyof typeof FULL} TraceName */

/** @type {Record<TraceName, TracePlan>} */
const QUICK = {
  small: { record: (seed) => recordSmall({ messages: 300 }, seed), strict: 40 },
  hot: { record: (seed) => recordHot({ messages: 300, values: 2 }, seed), strict: 0 },
  bulk: { record: (seed) => recordBulk({ messages: 4, transactions: 300, values: 2 }, seed), strict: 0 },
  files: { record: (seed) => recordFiles({ chunks: 6, values: 2 }, seed), strict: 0 },
};

export const TRACE_NAMES = /** @type {TraceName[]} */ (Object.keys(FULL));

/**
 * @param {TraceName} name
 * @param {boolean} quick
 * @returns {TracePlan}
 */
export function planOf(name, quick) {
  return (quick ? QUICK : FULL)[name];
}

/**
 * @param {string} name
 * @returns {name is TraceName}
 */
export function isTrace(name) {
  return Object.hasOwn(FULL, name);
}

/**
 * Whether a storage is measured in phases where every message is synced. It is not measured in others then: with a sync
 * for each message they would take too long, and they are about other things.
 *
 * @param {PeerName} name
 */
export function isStrict(name) {
  return peerOf(name).level === "power";
}

/**
 * The storages of a run, without those for a Node apart if there is none.
 *
 * @param {readonly PeerName[] | undefined} wanted all of them if not given
 * @param {import("./newer-node.mjs").Nodes} nodes
 * @returns {{ peers: PeerName[], skipped: PeerName[] }} Those skipped were wanted, and cannot run.
 */
export function choosePeers(wanted, { newer, apart }) {
  const chosen = PEER_NAMES.filter((name) => wanted?.includes(name) ?? true).filter((name) => {
    // In one and the same Node these would be `native` and `native-strict` once more.
    return apart || peerOf(name).kind !== "ours" || !peerOf(name).newer;
  });
  const possible = (/** @type {PeerName} */ name) => newer !== undefined || !peerOf(name).newer;
  return { peers: chosen.filter(possible), skipped: chosen.filter((name) => !possible(name)) };
}
