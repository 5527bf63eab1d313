/** The tables of a run of the boundary. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { BINDINGS, SHARED_LIBRARIES } from "./bindings.mjs";
import { bytes, count, median, microseconds, percent, range, spread, table } from "./figures.mjs";

/**
 * @typedef {import("./bindings.mjs").BindingName} BindingName
 * @typedef {import("./boundary-phase.mjs").BoundaryResult} BoundaryResult
 * @typedef {import("./boundary-phase.mjs").Case} Case
 * @typedef {BindingName | "floor"} Side
 *
 * @typedef {object} Measure
 * @property {Case} of
 * @property {string} title
 * @property {string} floor what JavaScript does alone
 *
 * @typedef {object} LibrarySize in bytes
 * @property {string} name
 * @property {number} raw
 * @property {number} [stripped] if there is a `strip` for it
 * @property {number} [gzip] level 9
 * @property {number} [brotli] quality 11
 */

/** @type {readonly Measure[]} */
const MEASURES = [
  { of: "progress", title: "task.progress(), a call for two numbers", floor: "such an object" },
  { of: "version", title: "libraryVersion(), a call for a string and a number", floor: "such an object" },
  { of: "store", title: "store, one transaction more for one session", floor: "encoding the message" },
  { of: "storeAsync", title: "storeAsync of the same, each awaited", floor: "awaiting an async function" },
  { of: "load", title: "load, 1,000 transactions, as bytes", floor: "copying the bytes" },
  { of: "loadAsync", title: "loadAsync of the same, each awaited", floor: "copying in an async function" },
  { of: "decoded", title: "load of the same, and decoding it", floor: "decoding the bytes" },
];

/**
 * @param {ReadonlyMap<Side, readonly BoundaryResult[]>} rounds of each side, in their order
 * @returns {string}
 */
export function boundaryTable(rounds) {
  const rows = [["", "calls a round", "min", "median", "spread"]];
  for (const { of, title, floor } of MEASURES) {
    rows.push([title]);
    for (const [side, results] of rounds) {
      const values = results.map((result) => result.microseconds[of]);
      rows.push([
        side === "floor" ? `  JavaScript alone: ${floor}` : `  ${BINDINGS[side].label}`,
        count(results[0]?.calls[of] ?? 0),
        microseconds(range(values).min),
        microseconds(median(values)),
        percent(spread(values)),
      ]);
    }
  }
  return table(rows);
}

/**
 * How large the bindings are, and the library for Swift and Kotlin if it is there.
 *
 * @param {readonly BindingName[]} bindings
 */
export function librarySizes(bindings) {
  const files = bindings.flatMap((name) => [BINDINGS[name].file, ...BINDINGS[name].glue]);
  const sizes = [...files, ...SHARED_LIBRARIES.filter((file) => existsSync(file))].map(sizeOf);
  const cell = (/** @type {number | undefined} */ size) => (size === undefined ? "" : bytes(size));
  const rows = sizes.map(({ name, raw, stripped, gzip, brotli }) => [
    name,
    ...[raw, stripped, gzip, brotli].map(cell),
  ]);
  return { sizes, table: table([["", "size", "stripped", "gzip -9", "brotli"], ...rows]) };
}

/**
 * Machine code for an installation is measured as it is installed, what a browser fetches also as it is sent.
 *
 * @param {string} file
 * @returns {LibrarySize}
 */
function sizeOf(file) {
  const size = { name: basename(file), raw: statSync(file).size };
  if (!/\.(wasm|js)$/.test(file)) return { ...size, stripped: strippedSize(file) };
  const content = readFileSync(file);
  return {
    ...size,
    gzip: gzipSync(content, { level: 9 }).length,
    brotli: brotliCompressSync(content).length,
  };
}

/**
 * The size without symbols, if this machine has a `strip` that can do it.
 *
 * @param {string} file
 */
function strippedSize(file) {
  const folder = mkdtempSync(join(tmpdir(), "jazz-bench-"));
  try {
    const copy = join(folder, basename(file));
    return spawnSync("strip", ["-o", copy, file]).status === 0 ? statSync(copy).size : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
