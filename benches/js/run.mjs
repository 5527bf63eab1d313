/**
 * Measures the native storage against cojson's SQLite storages, at the level of `StorageAPI`: storing and loading what a
 * real node sent to its storage. Every phase runs in a process of its own; the storages take turns in each round; what
 * they load must be, to the byte, what was stored.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inProcessOf, keepFigures, progress, whole } from "./src/command.mjs";
import { bytes } from "./src/figures.mjs";
import { commit, describeMachine, fileSystemOf, load, versionOf } from "./src/machine.mjs";
import { Measuring, PHASE, writeTrace } from "./src/measure.mjs";
import { findNodes } from "./src/newer-node.mjs";
import { isPeer, PEER_NAMES, peerOf } from "./src/peers.mjs";
import { choosePeers, isTrace, planOf, TRACE_NAMES } from "./src/plan.mjs";
import { costTable, latencyTable, sizeTable, syscallTable } from "./src/report.mjs";
import { Collector, problemsOf } from "./src/result.mjs";
import { countSyscalls, whyNoSyscalls } from "./src/syscalls.mjs";

/**
 * @typedef {import("./src/measure.mjs").Run} Run
 * @typedef {import("./src/phase.mjs").AboutResult} AboutResult
 * @typedef {import("./src/result.mjs").Result} Result
 * @typedef {import("./src/result.mjs").Workload} Workload
 */

const USAGE = `node run.mjs [options]

  --quick            small traces and one round: shows that everything works, measures nothing
  --rounds N         rounds (3; with --quick 1)
  --peers A,B        storages (all), of ${PEER_NAMES.join(", ")}
  --traces A,B       traces (all), of ${TRACE_NAMES.join(", ")}
  --seed N           seed of the edits and of the order of loading (1)
  --dir PATH         where the stores are put (the system's folder for temporary files)
  --newer-node PATH  a Node with node:sqlite, if this one has none
`;

/** Messages of which system calls are counted. */
const COUNTED = {
  quick: { traces: ["small"], relaxed: 60, strict: 24 },
  full: { traces: ["small", "hot"], relaxed: 5_000, strict: 512 },
};

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    peers: { type: "string" },
    traces: { type: "string", default: TRACE_NAMES.join(",") },
    seed: { type: "string", default: "1" },
    dir: { type: "string", default: tmpdir() },
    "newer-node": { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const { quick, dir } = options;
const rounds = whole("rounds", options.rounds ?? (quick ? "1" : "3"), USAGE);
const seed = whole("seed", options.seed, USAGE);
const nodes = findNodes(options["newer-node"]);
const wanted = options.peers?.split(",").map((name) => named(name, "storage", isPeer));
const traces = options.traces.split(",").map((name) => named(name, "trace", isTrace));
const { peers, skipped } = choosePeers(wanted, nodes);

const work = mkdtempSync(join(dir, "jazz-bench-"));
try {
  const result = await run();
  const problems = problemsOf(result);
  if (problems.length > 0) throw new Error(`the result is not sound:\n${problems.join("\n")}`);
  if (result.failures.some(({ reason }) => !reason.startsWith("skipped: "))) process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function run() {
  const date = new Date().toISOString();
  const { node, jazzNativeStorage, load: loadBefore, ...machine } = describeMachine();
  const fileSystem = fileSystemOf(dir);
  const collector = new Collector();
  /** @type {Run} */
  const shared = { work, rounds, seed, peers, nodes, collector };
  const versions = { node, "jazz-native-storage": jazzNativeStorage, ...(await versionsOf()) };

  console.log(`${machine.cpu}, ${machine.processors} processors, ${machine.system}`);
  console.log(Object.entries(versions).flat().join(" "));
  console.log(
    `${rounds} rounds, seed ${seed}, stores in ${dir} (${fileSystem}), load average ${loadBefore.toFixed(2)}`,
  );
  if (["tmpfs", "ramfs"].includes(fileSystem))
    console.log("That is in memory: a sync does nothing there. --dir names a disk");
  if (quick) console.log("quick: these figures say nothing about speed");
  tellNodes();

  const facts = () => ({
    suite: /** @type {const} */ ("js"),
    date,
    commit: commit(),
    quick,
    machine: { ...machine, fileSystem, loadBefore, loadAfter: load() },
    versions,
    seed,
    rounds,
    workloads,
    peers: [...peers, ...skipped].map((name) => {
      const { label, level, kind, note } = peerOf(name);
      return { name, title: label, level, kind, ...(note === undefined ? {} : { note }) };
    }),
  });
  /** @type {Workload[]} */
  const workloads = [];
  const noSyscalls = whyNoSyscalls();
  for (const name of traces) {
    const plan = planOf(name, quick);
    progress(`${name}: recording`);
    const trace = await plan.record(seed);
    workloads.push({
      name,
      title: trace.title,
      messages: trace.lines.length,
      transactions: trace.transactions,
      values: trace.values,
      payloadBytes: trace.payload,
    });
    for (const peer of skipped) {
      collector.failures.push({ peer, workload: name, reason: `skipped: ${nodes.lacking}` });
    }
    const files = writeTrace(shared, trace);
    await new Measuring(shared, trace, files, plan.strict).measure();
    const counted = COUNTED[quick ? "quick" : "full"];
    if (noSyscalls === undefined && counted.traces.includes(name)) {
      countSyscalls(shared, name, files, counted);
    }
    show(collector.result(facts()), name);
  }
  const result = collector.result(facts());
  console.log();
  if (noSyscalls !== undefined) console.log(`System calls were not counted: ${noSyscalls}`);
  for (const text of result.verified) console.log(`Verified: ${text}`);
  for (const { peer, workload, phase, reason } of result.failures) {
    console.log(`${[workload, phase, peer].filter(Boolean).join(", ")}: ${reason}`);
  }
  console.log(
    `Load average at the end ${result.machine.loadAfter.toFixed(2)} (this run makes about 1 of it)`,
  );
  console.log(`Raw figures: ${keepFigures("js", { ...result })}`);
  return result;
}

/**
 * @param {Result} result
 * @param {string} name of the trace
 */
function show(result, name) {
  const workload = result.workloads.find((found) => found.name === name);
  if (!workload) return;
  console.log(`\n${name}: ${workload.title}; ${bytes(workload.payloadBytes)} as JSON`);
  console.log(`\n${costTable(result, name)}`);
  console.log(
    `\nMicroseconds of single stores, until they are done, and of single loads\n\n${latencyTable(result, name)}`,
  );
  const sizes = sizeTable(result, name);
  if (sizes !== undefined) console.log(`\n${sizes}`);
  const calls = syscallTable(result, name);
  if (calls !== undefined)
    console.log(`\nSystem calls for the storage's files per message, under strace\n\n${calls}`);
}

/** Versions of what the storages run on; each is opened once, and must say that it works as it is compared. */
async function versionsOf() {
  /** @type {Record<string, string>} */
  const versions = {
    cojson: versionOf("cojson"),
    "better-sqlite3": versionOf("better-sqlite3"),
    libsql: versionOf("libsql"),
  };
  for (const peer of peers) {
    const directory = mkdtempSync(join(work, "about-"));
    const node = peerOf(peer).newer && nodes.newer ? nodes.newer : process.execPath;
    const task = JSON.stringify({ directory });
    const about = /** @type {AboutResult} */ (await inProcessOf(node, PHASE, "about", peer, task));
    rmSync(directory, { recursive: true });
    if (peerOf(peer).newer) versions["newer node"] = about.node;
    if (about.sqlite) versions[`SQLite of ${peer.replace(/-(cached|shipped|full)/g, "")}`] = about.sqlite;
  }
  return versions;
}

function tellNodes() {
  if (nodes.lacking !== undefined && skipped.length > 0) {
    console.log(`Skipped, for lack of another Node: ${skipped.join(", ")}: ${nodes.lacking}`);
  } else if (nodes.apart && peers.some((name) => peerOf(name).newer)) {
    console.log(
      "node:sqlite runs in the newer Node, whose engine of JavaScript is another one: it is compared with ours in the same Node",
    );
  }
}

/**
 * @template {string} Name
 * @param {string} name
 * @param {string} what
 * @param {(name: string) => name is Name} known
 * @returns {Name}
 */
function named(name, what, known) {
  if (known(name)) return name;
  throw new Error(`there is no ${what} ${name}\n\n${USAGE}`);
}
