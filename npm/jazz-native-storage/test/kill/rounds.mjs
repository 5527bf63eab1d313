/**
 * Kills processes that store, round after round on the same store, and checks after each what is found: all that was
 * acknowledged, of the rest a beginning, operation by operation and each wholly, and nothing else.
 *
 *   node npm/jazz-native-storage/test/kill/rounds.mjs [--rounds 50] [--seed N] [--sabotage]
 *
 * Moments are random, so a seed gives the same workload again but not the same kills. `--sabotage` acknowledges before
 * storing, which must be found out.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { createNativeStorageSync } from "../../dist/index.js";
import {
  emptyState,
  headerOf,
  listsOf,
  operation,
  seeded,
  signatureOf,
  stepsOf,
  summaryOf,
  transactionOf,
} from "./workload.mjs";

const CHILD = fileURLToPath(new URL("./child.mjs", import.meta.url));
/** As small as they may be, so that there is a checkpoint every few hundred operations. */
const SMALL = { cacheBytes: 64 << 10, segmentBytes: 64 << 10 };
/** How stores are opened, in turn. */
const KINDS = ["sync", "async"].flatMap((flavour) =>
  ["relaxed", "strict"].map((durability) => ({ flavour, durability })),
);
/** Operations that may be under way when a process is killed, and may be found done: those of one batch, and more. */
const UNDER_WAY = 64;
/** After so many rounds a store has grown enough, and another is begun. */
const ROUNDS_PER_STORE = 40;

const { values: args } = parseArgs({
  options: {
    rounds: { type: "string", default: "50" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    sabotage: { type: "boolean", default: false },
  },
});
const seed = Number(args.seed);
const random = seeded(seed);
const scratch = mkdtempSync(
  join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "jazz-native-storage-kill-"),
);
process.on("exit", (code) => {
  if (code === 0 || args.sabotage) rmSync(scratch, { recursive: true, force: true });
  else console.error(`what was found is kept in ${scratch}`);
});

const counts = {
  rounds: 0,
  /** Operations. */
  acknowledged: 0,
  /** Operations found done that had not been acknowledged. */
  foundUnacknowledged: 0,
  killedDuringOpen: 0,
  /** Killed with a segment sealed whose checkpoint was not complete. */
  killedDuringCheckpoint: 0,
  /** Kills that left the end of a write that did not complete. */
  torn: 0,
  /** Kills between the erasures of one call. */
  killedDuringErase: 0,
  /** Checkpoints that the killed processes completed. */
  checkpoints: 0,
};

/** A process that waits for its task. */
function prepare() {
  const child = spawn(process.execPath, [CHILD], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {});
  return child;
}

/** Lets a process work on the store and kills it; gives what its log says. */
async function round(child, task) {
  const exited = once(child, "exit");
  const opening = once(createInterface(child.stdout), "line");
  child.stdin.write(`${JSON.stringify(task)}\n`);
  await Promise.race([opening, exited]);
  await moment(task.options.path, exited);
  child.kill("SIGKILL");
  const [code] = await exited;
  if (code !== null && process.platform !== "win32") throw new Error(`the process ended by itself: ${code}`);
  const lines = readFileSync(task.log, "utf8").split("\n").slice(0, -1);
  if (!lines.includes("open")) counts.killedDuringOpen++;
  return lines.filter((line) => /^\d+$/.test(line)).map(Number);
}

/** Waits for the moment of the kill: some time, a time within which opening falls, or a step of a checkpoint. */
async function moment(path, exited) {
  const kind = random();
  if (kind < 0.25) return pause(random() ** 2 * 6);
  if (kind < 0.6) return pause(random() * 400);
  const steps = 1 + Math.floor(random() * 16);
  const after = random() ** 3 * 2;
  await Promise.race([fileEvents(path, steps), exited, pause(1500)]);
  return pause(after);
}

/** Resolves when so many files of checkpoints have been made, changed in name or removed. */
function fileEvents(path, steps) {
  return new Promise((resolve) => {
    if (!existsSync(path)) return resolve();
    let left = steps;
    const watcher = watch(path, (event, name) => {
      const concerns = name?.startsWith("MANIFEST") || event === "rename";
      if (concerns && --left === 0) {
        watcher.close();
        resolve();
      }
    });
    setTimeout(() => watcher.close(), 2000).unref();
  });
}

/** Timers are too coarse for the fractions of a millisecond that an opening or a step of a checkpoint takes. */
async function pause(milliseconds) {
  const end = performance.now() + milliseconds;
  if (milliseconds > 20) await new Promise((resolve) => setTimeout(resolve, milliseconds - 20));
  while (performance.now() < end) await new Promise(setImmediate);
}

/** All that the store says: its lists, and a summary of each value, whose content has been compared. */
async function observe(path) {
  const storage = createNativeStorageSync({ path, ...SMALL, durability: "relaxed" });
  try {
    const ids = [];
    storage.getCoValueIDs(1_000_000, 0, (batch) => ids.push(...batch.map(({ id }) => id)));
    let unsynced = [];
    storage.getUnsyncedCoValueIDs((found) => {
      unsynced = found;
    });
    const summaries = new Map();
    for (const id of ids) summaries.set(id, await observeValue(storage, id));
    const { discardedBytes } = await storage.stats();
    if (discardedBytes > 0) counts.torn++;
    return { lists: { ids, pending: await storage.pendingDeletions(), unsynced }, summaries };
  } finally {
    await storage.close();
  }
}

async function observeValue(storage, id) {
  const sessions = new Map();
  const take = (message) => {
    mustEqual(message.header, headerOf(id), `the header of ${id}`);
    for (const [session, { after, lastSignature, newTransactions }] of Object.entries(message.new)) {
      const ends = sessions.get(session) ?? [];
      sessions.set(session, ends);
      mustEqual(after, ends.at(-1) ?? 0, `where a piece of ${id} ${session} begins`);
      const end = after + newTransactions.length;
      ends.push(end);
      mustEqual(lastSignature, signatureOf(id, session, end), `the signature of ${id} ${session}`);
      for (const [i, transaction] of newTransactions.entries()) {
        const expected = transactionOf(seed, id, session, after + i);
        const same = JSON.stringify(transaction) === JSON.stringify(expected);
        if (!same) mustEqual(transaction, expected, `transaction ${after + i} of ${id} ${session}`);
      }
    }
  };
  let found = false;
  await storage.load(id, take, (it) => {
    found = it;
  });
  for (let next = storage.streamingQueue.pull(); next; next = storage.streamingQueue.pull()) next();
  if (!found) throw new Error(`${id} is listed and cannot be loaded`);
  let known;
  storage.loadKnownState(id, (it) => {
    known = it;
  });
  const counters = Object.fromEntries([...sessions].map(([session, ends]) => [session, ends.at(-1)]));
  mustEqual(known, { id, header: true, sessions: counters }, `the known state of ${id}`);
  return [...sessions].map(([session, ends]) => `${session}: ${ends.join(" ")}`).join("; ");
}

function mustEqual(found, expected, what) {
  if (isDeepStrictEqual(found, expected)) return;
  throw new Error(`${what}: found ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}

/**
 * Brings `state` from operation `next` to where the store is: past all that was acknowledged, and as far beyond as it
 * holds. Gives the next operation.
 */
function follow(state, next, acknowledged, found) {
  const differing = new Set([...state.ids, ...found.summaries.keys()]);
  const compare = (ids) => {
    for (const id of ids) {
      const expected = state.values[id] && summaryOf(state.values[id]);
      if (expected === found.summaries.get(id)) differing.delete(id);
      else differing.add(id);
    }
  };
  compare([...differing]);
  const there = () => differing.size === 0 && isDeepStrictEqual(listsOf(state), found.lists);
  let n = next;
  for (; n < acknowledged; n++) {
    for (const step of stepsOf(operation(seed, n, state), state)) compare(step(state));
  }
  const lacking = describe(state, found, differing);
  let partly = false;
  for (;;) {
    if (there()) {
      if (partly) counts.killedDuringErase++;
      return n;
    }
    if (n === acknowledged + UNDER_WAY) break;
    const steps = stepsOf(operation(seed, n, state), state);
    for (const [i, step] of steps.entries()) {
      compare(step(state));
      partly = i + 1 < steps.length;
      if (partly && there()) break;
    }
    if (!partly) n++;
  }
  throw new Error(
    `operation ${acknowledged - 1} was the last that was acknowledged. The store differs from what was stored until then, and from that with up to ${UNDER_WAY} more operations done:\n${lacking}`,
  );
}

/** Where the store differs from what it must hold at least. */
function describe(state, { lists, summaries }, differing) {
  const lines = [...differing].slice(0, 5).map((id) => {
    const expected = state.values[id] && summaryOf(state.values[id]);
    return `${id}: found ${JSON.stringify(summaries.get(id))}, not ${JSON.stringify(expected)}`;
  });
  for (const [name, expected] of Object.entries(listsOf(state))) {
    if (!isDeepStrictEqual(lists[name], expected))
      lines.push(`${name}: found ${lists[name].length}, not ${expected.length}`);
  }
  return lines.map((line) => `  ${line}`).join("\n");
}

/** Looks at the files that a kill left. */
function lookAtFiles(path, before) {
  const names = readdirSync(path);
  const segments = names.filter((name) => name.startsWith("segment-"));
  if (segments.length > 1) counts.killedDuringCheckpoint++;
  const last = Math.max(0, ...segments.map((name) => Number.parseInt(name.slice("segment-".length), 16)));
  counts.checkpoints += Math.max(0, last - before);
  return last;
}

async function run(rounds) {
  let store = 0;
  let state = emptyState();
  let next = 0;
  let segment = 1;
  let child = prepare();
  for (; counts.rounds < rounds; counts.rounds++) {
    if (counts.rounds % ROUNDS_PER_STORE === 0) {
      rmSync(join(scratch, `store${store}`), { recursive: true, force: true });
      store++;
      state = emptyState();
      next = 0;
      segment = 1;
      if (store > 1) console.error(JSON.stringify(counts));
    }
    const path = join(scratch, `store${store}`);
    const log = join(scratch, `log${counts.rounds}`);
    const options = { path, ...KINDS[counts.rounds % KINDS.length], ...SMALL };
    const following = prepare();
    const done = await round(child, { seed, options, next, state, log, sabotage: args.sabotage });
    child = following;
    rmSync(log);
    for (const [i, n] of done.entries()) mustEqual(n, next + i, "the order of acknowledgements");
    counts.acknowledged += done.length;
    // Mostly a copy is looked at, so that the next process opens what the kill left.
    const inPlace = random() < 0.25;
    const looked = inPlace ? path : join(scratch, "copy");
    if (existsSync(path)) {
      segment = lookAtFiles(path, segment);
      if (!inPlace) cpSync(path, looked, { recursive: true });
      const found = await observe(looked);
      const acknowledged = next + done.length;
      next = follow(state, next, acknowledged, found);
      counts.foundUnacknowledged += next - acknowledged;
    }
    if (!inPlace) rmSync(looked, { recursive: true, force: true });
  }
  child.kill("SIGKILL");
}

const started = performance.now();
try {
  await run(Number(args.rounds));
  console.log(JSON.stringify({ seed, seconds: Math.round((performance.now() - started) / 1000), ...counts }));
} catch (error) {
  console.error(`round ${counts.rounds} of --seed ${seed} failed: ${error.stack}`);
  console.log(JSON.stringify({ seed, ...counts, failure: String(error.message) }));
  process.exit(1);
}
