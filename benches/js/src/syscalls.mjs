/**
 * Counts what a storage asks of the system for its files, with strace, in runs of their own: it slows every call, so
 * nothing else is measured there. Writes into memory that is mapped, as of SQLite's index of its log, are no calls.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readTrace } from "../../../npm/jazz-native-storage/test/syscalls/trace.mjs";
import { progress } from "./command.mjs";
import { PHASE } from "./measure.mjs";
import { peerOf } from "./peers.mjs";
import { isStrict, STRICT_PHASES, WINDOW } from "./plan.mjs";

/**
 * @typedef {import("./measure.mjs").Files} Files
 * @typedef {import("./measure.mjs").Run} Run
 * @typedef {import("./peers.mjs").PeerName} PeerName
 *
 * @typedef {object} Counts
 * @property {number} syncs
 * @property {number} writes
 */

const SYNCS = ["fdatasync", "fsync", "sync_file_range", "msync"];
const WRITES = ["pwrite64", "pwritev", "pwritev2", "write", "writev"];

/** Why calls cannot be counted here, if they cannot. */
export function whyNoSyscalls() {
  if (process.platform !== "linux") return "strace is only on Linux";
  const { status, error } = spawnSync("strace", ["-o", "/dev/null", "true"]);
  if (error) return "strace is not installed";
  return status === 0 ? undefined : "strace may not watch";
}

/**
 * Counts calls for each storage of a run, for the first messages of a trace.
 *
 * @param {Run} run
 * @param {string} trace its name
 * @param {Files} files
 * @param {{ relaxed: number, strict: number }} messages how many, by whether each is synced
 */
export function countSyscalls({ work, peers, nodes, collector }, trace, files, messages) {
  for (const peer of peers) {
    if (peerOf(peer).level === "none") continue;
    const first = isStrict(peer) ? messages.strict : messages.relaxed;
    if (first === 0) continue;
    const phases = isStrict(peer) ? STRICT_PHASES : { store: WINDOW };
    for (const [phase, window] of Object.entries(phases)) {
      progress(`${trace}: system calls, ${peerOf(peer).label}`);
      const node = peerOf(peer).newer && nodes.newer ? nodes.newer : process.execPath;
      try {
        const { storing, whole } = watch(work, node, peer, files, { first, window });
        collector.add(trace, phase, peer, first, storing);
        if (!isStrict(peer) && peerOf(peer).kind !== "floor") {
          collector.add(trace, "store-close", peer, first, whole);
        }
      } catch (error) {
        collector.failures.push({ peer, workload: trace, phase, reason: String(error) });
      }
    }
  }
  progress("");
}

/**
 * @param {string} work
 * @param {string} node
 * @param {PeerName} peer
 * @param {Files} files
 * @param {{ first: number, window: number }} options
 * @returns {{ storing: Counts, whole: Counts }} While messages were stored; and with opening and closing.
 */
function watch(work, node, peer, files, options) {
  const directory = mkdtempSync(join(work, `${peer}-`));
  const [store, marks, trace] = [
    join(directory, "store"),
    join(directory, "marks"),
    join(directory, "trace"),
  ];
  mkdirSync(store);
  try {
    const task = JSON.stringify({ directory: store, marks, ...files, ...options });
    const calls = [...SYNCS, ...WRITES].join(",");
    const watching = ["-f", "-y", "-s", "16", "-e", `trace=${calls}`, "-o", trace];
    const program = [node, "--expose-gc", "--disable-warning=ExperimentalWarning", fileURLToPath(PHASE)];
    const run = spawnSync("strace", [...watching, ...program, "store", peer, task], { encoding: "utf8" });
    if (run.status !== 0) throw new Error(`under strace it ended with ${run.status}: ${run.stderr}`);
    return counted(readFileSync(trace, "utf8"), store, marks);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * @param {string} trace what strace wrote
 * @param {string} store directory whose files count
 * @param {string} marks file that is written to before the first message and after the last
 */
export function counted(trace, store, marks) {
  const calls = readTrace(trace);
  const [begin, end] = calls.filter(({ path, name }) => path === marks && WRITES.includes(name));
  if (!begin || !end) throw new Error("the marks are not among the calls");
  const ours = calls.filter(({ path }) => path.startsWith(`${store}/`));
  return {
    storing: countsOf(ours.filter((call) => call.start > begin.end && call.start < end.start)),
    whole: countsOf(ours),
  };
}

/**
 * @param {readonly { name: string }[]} calls
 * @returns {Counts}
 */
function countsOf(calls) {
  const among = (/** @type {readonly string[]} */ names) =>
    calls.filter(({ name }) => names.includes(name)).length;
  return { syncs: among(SYNCS), writes: among(WRITES) };
}
