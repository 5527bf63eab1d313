/** The report of a run in browsers, as Markdown. */
import { bytes, count, duration, median, microseconds, range, times } from "./figures.mjs";

/**
 * @typedef {object} PhaseFigures
 * @property {string} name
 * @property {string} title
 * @property {number} operations
 * @property {number[]} ours milliseconds, one per round
 * @property {number[]} indexeddb
 *
 * @typedef {object} BrowserFigures
 * @property {string} browser
 * @property {string} version
 * @property {PhaseFigures[]} phases
 * @property {{ values: number, ours: number[], indexeddb: number[] } | undefined} start milliseconds, one per page
 * @property {{ stored: number, bytes: number } | undefined} memory
 *
 * @typedef {object} RunFacts
 * @property {boolean} quick
 * @property {string | null} commit
 * @property {ReturnType<typeof import("./machine.mjs").describeMachine>} machine
 * @property {number} loadAfter
 * @property {number} seed
 * @property {number} rounds
 * @property {string} indexeddb version of cojson-storage-indexeddb
 */

/**
 * @param {RunFacts} facts
 * @param {readonly BrowserFigures[]} figures
 */
export function webReport(facts, figures) {
  const { machine, quick, rounds, seed } = facts;
  const lines = [
    "<!-- Generated: `cargo xtask bench-web` writes this file anew. -->",
    "# In browsers, against cojson-storage-indexeddb",
    "",
    `${quick ? "A quick run, which says nothing about speed. " : ""}Commit ${facts.commit ?? "unknown"}, ${machine.cpu}, ` +
      `${machine.processors} processors, ${machine.system}; ${rounds} rounds in turns, seed ${seed}; load average ` +
      `${machine.load.toFixed(2)} before and ${facts.loadAfter.toFixed(2)} after; cojson-storage-indexeddb ${facts.indexeddb}.`,
    "",
    "Microseconds for each message stored or value loaded: of the best round, and of all. The ratio is of the best rounds; in",
    "brackets are the least and the greatest of single rounds. Loads follow a start of the browser.",
  ];
  for (const { version, phases, start, memory } of figures) {
    lines.push("", `## ${version}`);
    if (phases.length > 0) {
      lines.push("", "| | ours | IndexedDB | ratio |", "|---|---|---|---|");
      lines.push(...phases.map(phaseRow));
    }
    if (start) {
      const ratio = median(start.ours) / median(start.indexeddb);
      lines.push(
        "",
        `From the start of a page to its first value, with ${count(start.values)} stored: ${spreadOf(start.ours)}, IndexedDB ` +
          `${spreadOf(start.indexeddb)}: ${ratio.toFixed(2)} of its time.`,
      );
    }
    if (memory) {
      lines.push("", `Memory of the worker with ${bytes(memory.stored)} stored: ${bytes(memory.bytes)}.`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** @param {PhaseFigures} figures */
function phaseRow({ title, operations, ours, indexeddb }) {
  const ratio = range(indexeddb).min / range(ours).min;
  const single = range(ours.map((value, round) => (indexeddb[round] ?? Number.NaN) / value));
  const each = (/** @type {number[]} */ values) => {
    const { min, max } = range(values.map((value) => (value * 1000) / operations));
    return `${microseconds(min)} (to ${microseconds(max)})`;
  };
  return `| ${title} | ${each(ours)} | ${each(indexeddb)} | **${times(ratio)}** (${times(single.min)} to ${times(single.max)}) |`;
}

/** @param {number[]} values in milliseconds */
function spreadOf(values) {
  const { min, max } = range(values);
  return `${duration(median(values))} (${duration(min)} to ${duration(max)})`;
}
