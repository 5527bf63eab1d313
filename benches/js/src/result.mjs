/**
 * What a run found, in the form that all suites of benchmarks share: facts about the run, and figures one per round. A
 * figure is of all operations of a phase together; what one costs is derived.
 */
import { percentile } from "./figures.mjs";
import { reference } from "./peers.mjs";

/**
 * @typedef {"ms" | "bytes" | "count"} Unit
 * @typedef {"wall" | "cpu" | "peakMemory" | "disk" | "syncs" | "writes"} Metric
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} title
 * @property {number} messages
 * @property {number} transactions
 * @property {number} values
 * @property {number} payloadBytes
 *
 * @typedef {object} PeerFacts
 * @property {string} name
 * @property {string} title
 * @property {"none" | "process" | "power"} level
 * @property {"ours" | "peer" | "floor"} kind
 * @property {string} [note]
 *
 * @typedef {object} Measurement
 * @property {string} workload
 * @property {string} phase
 * @property {string} peer
 * @property {Metric} metric
 * @property {Unit} unit
 * @property {number} operations
 * @property {number[]} values one per round
 * @property {string} [against] which of ours it is compared with
 *
 * @typedef {object} Latencies
 * @property {string} workload
 * @property {string} phase
 * @property {string} peer
 * @property {"us"} unit
 * @property {number} count of all rounds together
 * @property {[number, number][]} percentiles
 * @property {string} [against] which of ours it is compared with
 *
 * @typedef {object} Failure
 * @property {string} peer
 * @property {string} workload
 * @property {string} [phase]
 * @property {string} reason
 *
 * @typedef {object} Facts
 * @property {"js"} suite
 * @property {string} date
 * @property {string | null} commit nothing where git cannot tell
 * @property {boolean} quick
 * @property {{ cpu: string, processors: number, memoryBytes: number, system: string, fileSystem: string, loadBefore: number, loadAfter: number }} machine
 * @property {Record<string, string>} versions
 * @property {number} seed
 * @property {number} rounds
 * @property {Workload[]} workloads
 * @property {PeerFacts[]} peers
 *
 * @typedef {Facts & { schema: 1, measurements: Measurement[], latencies: Latencies[], failures: Failure[], verified: string[] }} Result
 */

/** @type {Record<Metric, Unit>} */
const UNITS = { wall: "ms", cpu: "ms", peakMemory: "bytes", disk: "bytes", syncs: "count", writes: "count" };
const PERCENTS = [50, 90, 99, 99.9, 99.99, 100];

export class Collector {
  /** @type {Map<string, Measurement>} */
  #measurements = new Map();
  /** @type {Map<string, { workload: string, phase: string, peer: string, rounds: Float32Array[] }>} */
  #latencies = new Map();
  /** @type {Failure[]} */
  failures = [];
  /** @type {string[]} */
  verified = [];

  /**
   * Adds the figure of one round.
   *
   * @param {string} workload
   * @param {string} phase
   * @param {string} peer
   * @param {number} operations
   * @param {{ [metric in Metric]?: number | undefined }} figures those that could be measured
   */
  add(workload, phase, peer, operations, figures) {
    for (const [name, value] of Object.entries(figures)) {
      if (value === undefined) continue;
      const metric = /** @type {Metric} */ (name);
      const key = JSON.stringify([workload, phase, peer, metric]);
      let measurement = this.#measurements.get(key);
      if (!measurement) {
        measurement = { workload, phase, peer, metric, unit: UNITS[metric], operations, values: [] };
        this.#measurements.set(key, measurement);
      }
      if (measurement.operations !== operations) {
        throw new Error(`${key}: ${operations} operations, not ${measurement.operations}`);
      }
      measurement.values.push(value);
    }
  }

  /**
   * Adds what each operation of one round took.
   *
   * @param {string} workload
   * @param {string} phase
   * @param {string} peer
   * @param {Float32Array} milliseconds
   */
  addLatencies(workload, phase, peer, milliseconds) {
    const key = JSON.stringify([workload, phase, peer]);
    const known = this.#latencies.get(key) ?? { workload, phase, peer, rounds: [] };
    known.rounds.push(milliseconds);
    this.#latencies.set(key, known);
  }

  /**
   * @param {Facts} facts
   * @returns {Result}
   */
  result(facts) {
    const measurements = [...this.#measurements.values()];
    /** @param {{ workload: string, phase: string, peer: string }} of */
    const against = ({ workload, phase, peer }) => {
      const measured = measurements
        .filter((other) => other.workload === workload && other.phase === phase)
        .map((other) => other.peer);
      const ours = reference(peer, phase, measured);
      return measured.includes(ours) ? { against: ours } : {};
    };
    return {
      schema: 1,
      ...facts,
      measurements: measurements.map((measurement) => ({ ...measurement, ...against(measurement) })),
      latencies: [...this.#latencies.values()].flatMap(({ rounds, ...of }) => {
        const all = joined(rounds).sort();
        if (all.length === 0) return [];
        const percentiles = PERCENTS.map((percent) => {
          const microseconds = percentile(all, percent) * 1000;
          return /** @type {[number, number]} */ ([percent, Number(microseconds.toPrecision(4))]);
        });
        const unit = /** @type {const} */ ("us");
        return [{ ...of, unit, count: all.length, percentiles, ...against(of) }];
      }),
      failures: this.failures,
      verified: this.verified,
    };
  }
}

/**
 * What in a result breaks the form: what is measured must be named, and every figure be one.
 *
 * @param {Result} result
 * @returns {string[]} nothing if it is sound
 */
export function problemsOf(result) {
  /** @type {string[]} */
  const problems = [];
  const peers = new Set(result.peers.map(({ name }) => name));
  const workloads = new Set(result.workloads.map(({ name }) => name));
  const { measurements, latencies, failures } = result;
  for (const { peer, workload, phase } of [...measurements, ...latencies, ...failures]) {
    const name = [workload, phase, peer].join(", ");
    if (!peers.has(peer)) problems.push(`${name}: the peer is not named`);
    if (!workloads.has(workload)) problems.push(`${name}: the workload is not named`);
  }
  for (const { workload, phase, peer, metric, operations, values } of measurements) {
    const name = [workload, phase, peer, metric].join(", ");
    const sound = values.every((value) => Number.isFinite(value) && value >= 0);
    if (values.length === 0 || !sound) problems.push(`${name}: ${values}`);
    if (!(operations > 0)) problems.push(`${name}: of ${operations} operations`);
  }
  for (const { workload, phase, peer, percentiles } of latencies) {
    const values = percentiles.map(([, value]) => value);
    const rising = values.every((value, at) => value >= (values[at - 1] ?? 0));
    if (!rising) problems.push(`${[workload, phase, peer].join(", ")}: percentiles ${values}`);
  }
  return problems;
}

/** @param {readonly Float32Array[]} parts */
function joined(parts) {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
