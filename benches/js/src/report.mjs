/** The tables of a run. */
import { bytes, count, duration, median, percent, range, spread, table, times } from "./figures.mjs";
import { PEERS } from "./peers.mjs";

/**
 * @typedef {import("./machine.mjs").Cost} Cost
 * @typedef {import("./peers.mjs").PeerName} PeerName
 * @typedef {import("./phase.mjs").LoadResult} LoadResult
 * @typedef {import("./phase.mjs").StoreResult} StoreResult
 *
 * @typedef {{ store: StoreResult, load: LoadResult }} Round
 * @typedef {Map<PeerName, Round[]>} Rounds of each storage, the rounds in their order
 *
 * @typedef {object} Measure
 * @property {string} title
 * @property {(round: Round) => Cost} of
 */

/** @type {readonly Measure[]} */
const MEASURES = [
  { title: "store", of: ({ store }) => store.work },
  {
    title: "store, with opening and closing",
    of: ({ store: { open, work, close } }) => ({
      wall: open.wall + work.wall + close.wall,
      cpu: open.cpu + work.cpu + close.cpu,
    }),
  },
  { title: "load in a fresh process", of: ({ load }) => load.work },
  { title: "open an existing store", of: ({ load }) => load.open },
  { title: "known states", of: ({ load }) => load.known },
];

/**
 * @param {Rounds} rounds
 * @returns {string}
 */
export function costTable(rounds) {
  const rows = [
    [
      "",
      "wall, min",
      "median",
      "spread",
      "CPU, min",
      "median",
      "spread",
      "wall to native",
      "by round",
      "CPU to native",
    ],
  ];
  for (const { title, of } of MEASURES) {
    rows.push([title]);
    const native = rounds.get("native")?.map(of);
    for (const [peer, results] of rounds) {
      const costs = results.map(of);
      rows.push([
        `  ${PEERS[peer].label}`,
        ...columns(costs.map(({ wall }) => wall)),
        ...columns(costs.map(({ cpu }) => cpu)),
        ...(native && peer !== "native" ? ratios(costs, native) : []),
      ]);
    }
  }
  return table(rows);
}

/** @param {readonly number[]} values */
function columns(values) {
  return [duration(range(values).min), duration(median(values)), percent(spread(values))];
}

/**
 * How many times what the native storage needed: by the medians, and in the rounds with the smallest and the
 * largest factor.
 *
 * @param {readonly Cost[]} costs
 * @param {readonly Cost[]} native
 */
function ratios(costs, native) {
  const wall = median(costs.map((cost) => cost.wall)) / median(native.map((cost) => cost.wall));
  const cpu = median(costs.map((cost) => cost.cpu)) / median(native.map((cost) => cost.cpu));
  const { min, max } = range(costs.map((cost, round) => cost.wall / (native[round]?.wall ?? Number.NaN)));
  return [times(wall), `${min.toFixed(1)}-${max.toFixed(1)}`, times(cpu)];
}

/**
 * @param {Rounds} rounds
 * @param {number} payload
 * @returns {string}
 */
export function sizeTable(rounds, payload) {
  const rows = [["", "on disk", "to JSON", "peak memory, store", "load"]];
  for (const [peer, results] of rounds) {
    const disk = median(results.map(({ store }) => store.diskBytes));
    rows.push([
      PEERS[peer].label,
      bytes(disk),
      (disk / payload).toFixed(2),
      memory(results.map(({ store }) => store.peakBytes)),
      memory(results.map(({ load }) => load.peakBytes)),
    ]);
  }
  return table(rows);
}

/** @param {readonly (number | undefined)[]} peaks */
function memory(peaks) {
  const known = peaks.filter((peak) => peak !== undefined);
  return known.length === 0 ? "unknown" : `+${bytes(median(known))}`;
}

/** @param {Rounds} rounds */
export function verification(rounds) {
  const first = [...rounds.values()][0]?.[0]?.load;
  const loads = [...rounds.values()].reduce((sum, results) => sum + results.length, 0);
  return `${count(loads)} loads, each of ${count(first?.messages ?? 0)} messages: digest ${first?.content.slice(0, 16)}`;
}
