/** What a run in browsers measures: what is stored, how, and what each must be faster by. */

/**
 * @typedef {import("../web/workloads.mjs").Workload} Workload
 *
 * @typedef {object} Phase
 * @property {string} name
 * @property {string} title
 * @property {"store" | "load"} does
 * @property {number} window how many are in flight
 * @property {"one" | "hundred"} workload
 * @property {"first" | "second" | "again"} when in the first tab, in a second one beside it, or after the browser was started again
 * @property {string} store which one: what is loaded was stored by another phase
 */

const WINDOW = 64;

/** @type {readonly Phase[]} */
export const PHASES = [
  phase("one: stored one at a time", "store", 1, "one", "first", "a"),
  phase("one: stored, 64 in flight", "store", WINDOW, "one", "first", "b"),
  phase("hundred: stored one at a time", "store", 1, "hundred", "first", "c"),
  phase("hundred: stored, 64 in flight", "store", WINDOW, "hundred", "first", "d"),
  phase("one: stored one at a time by a second tab", "store", 1, "one", "second", "e"),
  phase("one: loaded one at a time", "load", 1, "one", "again", "a"),
  phase("one: loaded, 64 in flight", "load", WINDOW, "one", "again", "b"),
  phase("hundred: loaded one at a time", "load", 1, "hundred", "again", "c"),
  phase("hundred: loaded, 64 in flight", "load", WINDOW, "hundred", "again", "d"),
];

/** @type {Record<"one" | "hundred", Workload>} */
const FULL = {
  one: { values: 1500, messages: 2, transactions: 1, changes: 150 },
  hundred: { values: 150, messages: 2, transactions: 100, changes: 150 },
};

/** @type {Record<"one" | "hundred", Workload>} */
const QUICK = {
  one: { values: 5, messages: 2, transactions: 1, changes: 150 },
  hundred: { values: 2, messages: 2, transactions: 100, changes: 150 },
};

/** @param {boolean} quick */
export function workloadsOf(quick) {
  return quick ? QUICK : FULL;
}

/**
 * What is there when a page starts and loads one value.
 *
 * @param {boolean} quick
 * @returns {Workload}
 */
export function startWorkload(quick) {
  return { values: quick ? 20 : 50_000, messages: 1, transactions: 1, changes: 150 };
}

/**
 * What is there when memory is measured: 200 MB.
 *
 * @param {boolean} quick
 * @returns {Workload}
 */
export function largeWorkload(quick) {
  return { values: quick ? 2 : 500, messages: 20, transactions: 100, changes: 150 };
}

/**
 * @param {string} title
 * @param {Phase["does"]} does
 * @param {number} window
 * @param {Phase["workload"]} workload
 * @param {Phase["when"]} when
 * @param {string} store
 * @returns {Phase}
 */
function phase(title, does, window, workload, when, store) {
  return { name: `${when}-${does}-${workload}-${window}`, title, does, window, workload, when, store };
}
