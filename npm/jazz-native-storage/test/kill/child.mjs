/**
 * The process that is killed. It is started ahead of time and waits for its task, one line of JSON on its standard input;
 * then it opens the store and goes on with the workload until it is killed. What has been acknowledged it writes to a
 * file, operation by operation, with one system call each, so that the file tells it whatever becomes of the process.
 */
import { openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { cojsonInternals } from "cojson";
import { createNativeStorage, createNativeStorageSync } from "../../dist/index.js";
import { CHUNK_THRESHOLD, operation, stepsOf } from "./workload.mjs";

/** Stores under way at a time in the async flavour. */
const IN_FLIGHT = 24;
/** Operations after which the store is closed and opened again. */
const CLOSE_EVERY = 500;

process.on("unhandledRejection", fail);
cojsonInternals.TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE = CHUNK_THRESHOLD;

const [line] = await new Promise((resolve) => {
  createInterface(process.stdin).once("line", (...lines) => resolve(lines));
});
const { seed, options, next, state, log, sabotage } = JSON.parse(line);
const file = openSync(log, "a");
const tell = (text) => writeSync(file, `${text}\n`);
const unexpected = (knownState) =>
  fail(new Error(`a correction was asked for: ${JSON.stringify(knownState)}`));
const onDegraded = ({ error }) => fail(error);

tell("opening");
// To the killer, who waits for it.
writeSync(1, "opening\n");
let storage = await open();
tell("open");

const underWay = new Set();
for (let n = next; ; n++) {
  const op = operation(seed, n, state);
  for (const step of stepsOf(op, state)) step(state);
  if (sabotage) tell(n);
  const done = perform(op).then(() => {
    underWay.delete(done);
    if (!sabotage) tell(n);
  }, fail);
  underWay.add(done);
  // What is not a store keeps its place among the stores by waiting for them, and is waited for.
  const following = operation(seed, n + 1, state);
  const alone = op.kind !== "store" || following.kind !== "store" || options.flavour === "sync";
  while (underWay.size > (alone ? 0 : IN_FLIGHT)) await Promise.race(underWay);
  if (n % CLOSE_EVERY === 0) {
    await Promise.all(underWay);
    await storage.close();
    storage = await open();
  }
  // The sync flavour never waits for anything, and a signal handled by Node would not come through.
  if (n % 64 === 0) await new Promise(setImmediate);
}

async function open() {
  const all = { ...options, onDegraded };
  return options.flavour === "sync" ? createNativeStorageSync(all) : await createNativeStorage(all);
}

function perform(op) {
  switch (op.kind) {
    case "store":
      if (op.deletes) storage.markDeleteAsValid(op.message.id);
      return new Promise((done) => storage.store(op.message, unexpected, done));
    case "track":
      return new Promise((done) => storage.trackCoValuesSyncState(op.updates, done));
    default:
      return storage.eraseAllDeletedCoValues();
  }
}

function fail(error) {
  console.error(error);
  process.exit(3);
}
