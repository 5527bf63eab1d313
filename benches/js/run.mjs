/**
 * Measures the native storage against cojson's SQLite storage, at the level of `StorageAPI`: storing and loading what a
 * real node sent to its storage. Every phase runs in a process of its own; the storages take turns in each round; what
 * they load must be, to the byte, what was stored.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inOwnProcess, keepFigures, progress, whole } from "./src/command.mjs";
import { contentDigest } from "./src/digest.mjs";
import { bytes } from "./src/figures.mjs";
import { describeMachine, load } from "./src/machine.mjs";
import { isPeer, PEERS } from "./src/peers.mjs";
import { costTable, sizeTable, verification } from "./src/report.mjs";
import { recordBulk, recordEdits } from "./src/trace.mjs";

/**
 * @typedef {import("./src/peers.mjs").PeerName} PeerName
 * @typedef {import("./src/report.mjs").Rounds} Rounds
 * @typedef {import("./src/trace.mjs").Trace} Trace
 */

const USAGE = `node run.mjs [options]

  --quick         small traces and one round: shows that everything works, measures nothing
  --rounds N      rounds (5; with --quick 1)
  --peers A,B     storages, of ${Object.keys(PEERS).join(", ")}
  --traces A,B    traces, of edits, bulk
  --seed N        seed of the edits and of the order of loading (1)
  --dir PATH      where the stores are put (the system's folder for temporary files)
`;

const PHASE = new URL("src/phase.mjs", import.meta.url);

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    peers: { type: "string", default: "native,sqlite-cached,sqlite-shipped" },
    traces: { type: "string", default: "edits,bulk" },
    seed: { type: "string", default: "1" },
    dir: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const rounds = whole("rounds", options.rounds ?? (options.quick ? "1" : "5"), USAGE);
const seed = whole("seed", options.seed, USAGE);
const peers = options.peers.split(",").filter(peerNamed);
const shapes = options.quick
  ? { edits: { messages: 1_200, hot: 2 }, bulk: { messages: 6, transactions: 300, values: 2 } }
  : { edits: { messages: 100_000, hot: 6 }, bulk: { messages: 200, transactions: 300, values: 20 } };
/** @type {Record<string, () => Promise<Trace>>} */
const recorders = {
  edits: () => recordEdits(shapes.edits, seed),
  bulk: () => recordBulk(shapes.bulk, seed),
};

const work = mkdtempSync(join(options.dir, "jazz-bench-"));
try {
  await run();
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function run() {
  const machine = describeMachine();
  console.log(`${machine.cpu}, ${machine.processors} processors, ${machine.system}, Node ${machine.node}`);
  console.log(
    `jazz-native-storage ${machine.jazzNativeStorage} (relaxed), better-sqlite3 ${machine.betterSqlite3} (WAL, NORMAL), both under cojson`,
  );
  console.log(
    `${rounds} rounds, seed ${seed}, stores in ${options.dir}, load average ${machine.load.toFixed(2)}`,
  );
  if (options.quick) console.log("quick: these figures say nothing about speed");

  const traces = [];
  for (const name of options.traces.split(",")) {
    const record = recorders[name];
    if (!record) throw new Error(`there is no trace ${name}\n\n${USAGE}`);
    const trace = await record();
    const results = await measure(trace);
    console.log(`\n${trace.name}: ${trace.title}; ${bytes(trace.payload)} as JSON`);
    console.log(`\n${costTable(results)}\n\n${sizeTable(results, trace.payload)}\n`);
    console.log(`  Verified: ${verification(results)}`);
    const { lines, ...facts } = trace;
    traces.push({ ...facts, messages: lines.length, rounds: Object.fromEntries(results) });
  }

  const loadAfter = load();
  console.log(`\nLoad average at the end ${loadAfter.toFixed(2)} (this run makes about 1 of it)`);
  console.log(`Raw figures: ${keepFigures("", { options, machine, loadAfter, traces })}`);
}

/**
 * @param {Trace} trace
 * @returns {Promise<Rounds>}
 */
async function measure(trace) {
  const file = join(work, `${trace.name}.ndjson`);
  writeFileSync(file, trace.lines.join("\n"));
  const expected = contentDigest(trace.lines.map((line) => JSON.parse(line)));
  /** @type {Rounds} */
  const results = new Map(peers.map((peer) => [peer, []]));
  /** @type {Map<string, string>} */
  const deliveries = new Map();
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < peers.length; turn++) {
      const peer = /** @type {PeerName} */ (peers[(round + turn) % peers.length]);
      const directory = mkdtempSync(join(work, `${peer}-`));
      const parameters = [peer, directory, file, String(seed)];
      const store = /** @type {import("./src/phase.mjs").StoreResult} */ (
        await inOwnProcess(PHASE, "store", ...parameters)
      );
      const load = /** @type {import("./src/phase.mjs").LoadResult} */ (
        await inOwnProcess(PHASE, "load", ...parameters)
      );
      rmSync(directory, { recursive: true });
      assert.equal(load.content, expected, `${peer}: what was loaded is not what was stored`);
      const flavour = peer === "native-async" ? "async" : "sync";
      deliveries.set(flavour, deliveries.get(flavour) ?? load.deliveries);
      assert.equal(
        load.deliveries,
        deliveries.get(flavour),
        `${peer}: messages differ from another storage's`,
      );
      results.get(peer)?.push({ store, load });
      progress(`${trace.name}: round ${round + 1} of ${rounds}, ${PEERS[peer].label}`);
    }
  }
  progress("");
  return results;
}

/**
 * @param {string} name
 * @returns {name is PeerName}
 */
function peerNamed(name) {
  if (isPeer(name)) return true;
  throw new Error(`there is no storage ${name}\n\n${USAGE}`);
}
