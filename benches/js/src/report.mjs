/** The tables of a run, made of its result alone. */
import { bytes, duration, median, microseconds, percent, range, spread, table, times } from "./figures.mjs";
import { reference } from "./peers.mjs";

/**
 * @typedef {import("./result.mjs").Result} Result
 * @typedef {import("./result.mjs").Metric} Metric
 * @typedef {import("./result.mjs").Measurement} Measurement
 */

/** @type {readonly [string, string][]} */
const PHASES = [
  ["store", "store, 64 in flight if the storage is async"],
  ["store-close", "store, with opening and closing"],
  ["close", "close after storing"],
  ["open", "open an existing store"],
  ["load", "load everything, in random order"],
  ["known", "known states, nothing loaded"],
  ["store-alone", "store synced, one at a time"],
  ["store-64", "store synced, 64 in flight if the storage is async"],
];

/** One workload of a result, with its peers in the order in which they are named. */
class View {
  /**
   * @param {Result} result
   * @param {string} workload
   */
  constructor(result, workload) {
    this.measurements = result.measurements.filter((measurement) => measurement.workload === workload);
    this.latencies = result.latencies.filter((latencies) => latencies.workload === workload);
    this.peers = result.peers;
  }

  /**
   * @param {string} phase
   * @param {string} peer
   * @param {Metric} metric
   * @returns {Measurement | undefined}
   */
  of(phase, peer, metric) {
    return this.measurements.find(
      (found) => found.phase === phase && found.peer === peer && found.metric === metric,
    );
  }

  /**
   * @param {string} phase
   * @param {Metric} metric
   */
  peersIn(phase, metric) {
    return this.peers.filter(({ name }) => this.of(phase, name, metric));
  }
}

/**
 * What each phase took, and how many times what ours needed.
 *
 * @param {Result} result
 * @param {string} workload
 */
export function costTable(result, workload) {
  const view = new View(result, workload);
  const rows = [
    [
      "",
      "wall, min",
      "median",
      "spread",
      "each, µs",
      "CPU, min",
      "median",
      "spread",
      "wall to ours",
      "by round",
      "CPU to ours",
      "by round",
    ],
  ];
  for (const [phase, title] of PHASES) {
    const peers = view.peersIn(phase, "wall");
    if (peers.length > 0) rows.push([title]);
    const names = peers.map(({ name }) => name);
    for (const { name, title: label } of peers) {
      const [wall, cpu] = [view.of(phase, name, "wall"), view.of(phase, name, "cpu")];
      if (!wall || !cpu) continue;
      const ours = reference(name, phase, names);
      const [oursWall, oursCpu] = [view.of(phase, ours, "wall"), view.of(phase, ours, "cpu")];
      rows.push([
        `  ${label}`,
        ...columns(wall.values),
        microseconds((median(wall.values) * 1000) / wall.operations),
        ...columns(cpu.values),
        ...(ours !== name && oursWall && oursCpu
          ? [
              ...ratio(median(wall.values) / median(oursWall.values), wall.values, oursWall.values),
              ...ratio(range(cpu.values).min / range(oursCpu.values).min, cpu.values, oursCpu.values),
            ]
          : []),
      ]);
    }
  }
  return table(rows);
}

/**
 * What single operations took, of all rounds together.
 *
 * @param {Result} result
 * @param {string} workload
 */
export function latencyTable(result, workload) {
  const view = new View(result, workload);
  const percents = [50, 90, 99, 99.9, 100];
  const rows = [["", "count", ...percents.map((at) => (at === 100 ? "longest" : `p${at}`))]];
  for (const [phase, title] of PHASES) {
    const found = view.latencies.filter((latencies) => latencies.phase === phase);
    if (found.length > 0) rows.push([title]);
    for (const { name, title: label } of view.peers) {
      const latencies = found.find(({ peer }) => peer === name);
      if (!latencies) continue;
      const at = new Map(latencies.percentiles);
      const cells = percents.map((value) => microseconds(at.get(value) ?? Number.NaN));
      rows.push([`  ${label}`, String(latencies.count), ...cells]);
    }
  }
  return table(rows);
}

/**
 * Disk and memory, or nothing if nothing was stored whole.
 *
 * @param {Result} result
 * @param {string} workload
 */
export function sizeTable(result, workload) {
  const view = new View(result, workload);
  const payload = result.workloads.find(({ name }) => name === workload)?.payloadBytes ?? Number.NaN;
  const rows = [["", "on disk", "to JSON", "peak memory, store", "load"]];
  for (const { name, title } of view.peersIn("store-close", "disk")) {
    const disk = median(view.of("store-close", name, "disk")?.values ?? []);
    const memory = (/** @type {string} */ phase) => {
      const peak = view.of(phase, name, "peakMemory");
      return peak ? `+${bytes(median(peak.values))}` : "unknown";
    };
    rows.push([title, bytes(disk), (disk / payload).toFixed(2), memory("store"), memory("load")]);
  }
  return rows.length > 1 ? table(rows) : undefined;
}

/**
 * System calls per message, or nothing if they were not counted.
 *
 * @param {Result} result
 * @param {string} workload
 */
export function syscallTable(result, workload) {
  const view = new View(result, workload);
  const rows = [["", "messages", "syncs each", "writes each"]];
  for (const [phase, title] of PHASES) {
    const peers = view.peersIn(phase, "syncs");
    if (peers.length > 0) rows.push([title]);
    for (const { name, title: label } of peers) {
      const [syncs, writes] = [view.of(phase, name, "syncs"), view.of(phase, name, "writes")];
      if (!syncs || !writes) continue;
      const each = (/** @type {Measurement} */ { values, operations }) =>
        (median(values) / operations).toFixed(4);
      rows.push([`  ${label}`, String(syncs.operations), each(syncs), each(writes)]);
    }
  }
  return rows.length > 1 ? table(rows) : undefined;
}

/** @param {readonly number[]} values */
function columns(values) {
  return [duration(range(values).min), duration(median(values)), percent(spread(values))];
}

/**
 * A ratio, and the smallest and the largest of those of single rounds.
 *
 * @param {number} overall
 * @param {readonly number[]} values
 * @param {readonly number[]} ours
 */
export function ratio(overall, values, ours) {
  const { min, max } = range(values.map((value, round) => value / (ours[round] ?? Number.NaN)));
  return [times(overall), `${factor(min)}-${factor(max)}`];
}

/** @param {number} value */
function factor(value) {
  return value.toFixed(value < 1 ? 2 : 1);
}
