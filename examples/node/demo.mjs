/**
 * The demo: a process stores the data of a real Jazz node on the native storage and exits, a second process loads it
 * with a new node and checks every value. Then the same workload on cojson's SQLite storage, and the times of both.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bytes, count, duration, median, range, table, times } from "jazz-native-storage-benches/figures";
import { describeMachine, sizeOnDisk } from "jazz-native-storage-benches/machine";
import { PEERS } from "jazz-native-storage-benches/peers";
import { runProcess } from "./src/run-process.mjs";

/**
 * @typedef {import("jazz-native-storage-benches/peers").PeerName} PeerName
 * @typedef {import("./src/read.mjs").Read} Read
 * @typedef {import("./src/write.mjs").Expected} Expected
 * @typedef {import("./src/write.mjs").Written} Written
 *
 * @typedef {object} Round
 * @property {Written} written
 * @property {Read} read
 * @property {number} diskBytes
 */

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    dir: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(`node demo.mjs [--quick] [--rounds N] [--dir PATH]

  --quick     a small workspace, one round
  --rounds N  how often each storage does the same work (3; with --quick 1)
  --dir PATH  where the stores are put (the system's folder for temporary files)`);
  process.exit(0);
}
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds takes a whole number above 0, not ${options.rounds}`);

/** @type {readonly PeerName[]} */
const PARTICIPANTS = ["native", "sqlite-cached", "sqlite-shipped"];

const work = mkdtempSync(join(options.dir, "jazz-demo-"));
try {
  await demo();
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function demo() {
  const machine = describeMachine();
  console.log(`Jazz Native Storage ${machine.jazzNativeStorage}, Node ${machine.node}, ${machine.system}`);
  console.log(`${machine.cpu}, ${machine.processors} processors, load average ${machine.load.toFixed(2)}\n`);

  const first = await play("native", 0);
  showStored(first);

  /** @type {Map<PeerName, Round[]>} */
  const results = new Map(PARTICIPANTS.map((peer) => [peer, []]));
  results.get("native")?.push(first.round);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < PARTICIPANTS.length; turn++) {
      const peer = /** @type {PeerName} */ (PARTICIPANTS[(round + turn) % PARTICIPANTS.length]);
      if (round === 0 && peer === "native") continue;
      results.get(peer)?.push((await play(peer, round)).round);
    }
  }
  showComparison(results);
}

/**
 * The two processes on one storage.
 *
 * @param {PeerName} peer
 * @param {number} number
 */
async function play(peer, number) {
  const directory = join(work, `${peer}-${number}`);
  const file = `${directory}.json`;
  mkdirSync(directory);
  const size = options.quick ? ["quick"] : [];
  const write = new URL("src/write.mjs", import.meta.url);
  const written = /** @type {Written} */ (await runProcess(write, [peer, directory, file, ...size]));
  const diskBytes = sizeOnDisk(directory);
  const read = /** @type {Read} */ (
    await runProcess(new URL("src/read.mjs", import.meta.url), [peer, directory, file])
  );
  /** @type {Expected} */
  const expected = JSON.parse(readFileSync(file, "utf8"));
  rmSync(directory, { recursive: true });
  return { expected, round: { written, read, diskBytes } };
}

/** @param {Awaited<ReturnType<typeof play>>} played */
function showStored({ expected: { values }, round: { written, read, diskBytes } }) {
  /** @type {Map<string, { values: number, transactions: number }>} */
  const kinds = new Map();
  for (const { kind, transactions } of values) {
    const sum = kinds.get(kind) ?? { values: 0, transactions: 0 };
    kinds.set(kind, { values: sum.values + 1, transactions: sum.transactions + transactions });
  }
  const transactions = values.reduce((sum, value) => sum + value.transactions, 0);
  console.log(
    `Process ${written.pid} made an account and a workspace with cojson's ${written.crypto}, and exited.`,
  );
  console.log(
    `  ${count(values.length)} CoValues, ${count(transactions)} signed transactions, given to the storage in ${count(written.messages)} messages\n`,
  );
  const rows = [["", "CoValues", "transactions"]];
  for (const [kind, sum] of kinds) rows.push([kind, count(sum.values), count(sum.transactions)]);
  console.log(table(rows));

  const binary = values.find(({ kind }) => kind === "binary stream")?.content;
  if (!binary) throw new Error("there is no binary stream");
  const file = /** @type {{ bytes: number, sha256: string }} */ (/** @type {unknown} */ (binary));
  console.log(`\nProcess ${read.pid} loaded it all with a new node and compared it: no difference.`);
  console.log(`  ${count(read.compared)} values, edits, signatures and digests are those that were stored`);
  console.log(`  the file of ${bytes(file.bytes)} has its SHA-256 ${file.sha256.slice(0, 16)}...`);
  console.log(`\nOn disk: ${bytes(diskBytes)}`);
  showStats("before the first process closed the store", written.stats);
  showStats("in the second process", read.stats);
}

/**
 * @param {string} when
 * @param {import("jazz-native-storage").StorageStats | undefined} stats
 */
function showStats(when, stats) {
  if (!stats) throw new Error("the native storage has figures");
  console.log(`  stats() ${when}: durability ${stats.durability}, format ${stats.formatVersion},`);
  console.log(
    `    ${Number(stats.coValues)} CoValues, ${Number(stats.segments)} segments with ${bytes(Number(stats.logBytes))} of log, ${Number(stats.runs)} runs with ${bytes(Number(stats.runBytes))} of index,`,
  );
  console.log(
    `    ${Number(stats.recordsWritten)} records written, ${Number(stats.syncs)} syncs, ${Number(stats.checkpoints)} checkpoints, ${Number(stats.replayedRecords)} records replayed, ${Number(stats.discardedBytes)} bytes discarded`,
  );
}

/** @param {Map<PeerName, Round[]>} results */
function showComparison(results) {
  const runs = rounds === 1 ? "one run" : `medians of ${rounds} runs, [fastest-slowest]`;
  console.log(`\nThe same workload on cojson's SQLite storage, checked in the same way (${runs}):\n`);
  /** @type {readonly { title: string, of: (round: Round) => number }[]} */
  const measures = [
    { title: "store: in the storage", of: ({ written }) => written.storageMilliseconds },
    { title: "store: the whole work, with crypto", of: ({ written }) => written.milliseconds },
    { title: "load: in the storage", of: ({ read }) => read.storageMilliseconds },
    { title: "load: the whole work, with crypto", of: ({ read }) => read.milliseconds },
  ];
  const rows = [
    ["", ...PARTICIPANTS.flatMap((peer) => [PEERS[peer].label, ...(peer === "native" ? [] : ["ratio"])])],
  ];
  for (const { title, of } of measures) {
    const native = median(results.get("native")?.map(of) ?? []);
    const row = [title];
    for (const [peer, runs] of results) {
      row.push(timing(runs.map(of)));
      if (peer !== "native") row.push(times(median(runs.map(of)) / native));
    }
    rows.push(row);
  }
  const disk = PARTICIPANTS.map((peer) => median(results.get(peer)?.map(({ diskBytes }) => diskBytes) ?? []));
  const nativeDisk = disk[0] ?? Number.NaN;
  rows.push([
    "on disk",
    ...disk.flatMap((size, at) => (at === 0 ? [bytes(size)] : [bytes(size), times(size / nativeDisk)])),
  ]);
  console.log(table(rows));
  console.log(
    "\n  SQLite: better-sqlite3 with a write-ahead log, synchronous NORMAL; the native storage: relaxed. Both survive a",
  );
  console.log(
    "  crash of the process, and may lose the last moments in a power cut. Ratio: SQLite to native.",
  );
}

/** @param {readonly number[]} milliseconds */
function timing(milliseconds) {
  const { min, max } = range(milliseconds);
  return rounds === 1
    ? duration(median(milliseconds))
    : `${duration(median(milliseconds))} [${min.toFixed(0)}-${max.toFixed(0)}]`;
}
