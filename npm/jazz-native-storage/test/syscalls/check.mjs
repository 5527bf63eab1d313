/**
 * Watches the system calls of a program that stores, on Linux with strace: at the level `strict` a sync of the log begins
 * after a message was written and ends before its `done`; how many messages share one; at `relaxed` nothing waits for it, and
 * where files are written over in memory, hardly any message takes a call.
 *
 *   node npm/jazz-native-storage/test/syscalls/check.mjs
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readTrace } from "./trace.mjs";

const PROGRAM = fileURLToPath(new URL("./program.mjs", import.meta.url));
const SYNCS = ["fdatasync", "fsync"];
const WRITES = ["pwrite64", "pwritev", "pwritev2", "write", "writev"];

function scratchIn(parent) {
  const scratch = mkdtempSync(join(parent, "jazz-native-storage-syscalls-"));
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
  return scratch;
}

// On a disk: what a RAM disk does on a sync is nothing, but the calls are the same.
const onDisk = scratchIn(tmpdir());

/** Runs the program and gives, for its messages, when each was written, if it was by a call, and done, and the log's syncs. */
function watch({ flavour, durability, waves, perWave, storages = 1, sabotage = false, scratch = onDisk }) {
  const directory = mkdtempSync(join(scratch, "run-"));
  const [trace, markers] = [join(directory, "trace"), join(directory, "markers")];
  const program = [PROGRAM, flavour, durability, waves, perWave, storages, join(directory, "store"), markers];
  if (sabotage) program.push("--sabotage");
  const calls = [...WRITES, ...SYNCS].join(",");
  const options = ["-f", "-y", "-s", "100000", "-e", `trace=${calls}`, "-o", trace];
  const run = spawnSync("strace", [...options, process.execPath, ...program.map(String)], {
    encoding: "utf8",
  });
  if (run.status !== 0)
    throw new Error(`the traced program failed (${run.status}): ${run.error ?? run.stderr}`);
  const messages = Array.from({ length: waves * perWave }, () => ({}));
  const [syncs, writes] = [[], []];
  for (const call of readTrace(readFileSync(trace, "utf8"))) {
    const inLog = basename(call.path).startsWith("segment-");
    if (inLog && SYNCS.includes(call.name)) syncs.push(call);
    if (inLog && WRITES.includes(call.name)) writes.push(call);
    const [pattern, what] = inLog
      ? [/\[\\"message (\d+);\\"\]/g, "written"]
      : call.path === markers
        ? [/done (\d+);/g, "done"]
        : [];
    if (!pattern || !WRITES.includes(call.name)) continue;
    for (const [, number] of call.text.matchAll(pattern)) messages[Number(number)][what] ??= call;
  }
  const lacking = messages.findIndex(({ written, done }) => !done || (!written && durability === "strict"));
  if (lacking >= 0)
    throw new Error(`message ${lacking} is not in the trace: ${JSON.stringify(messages[lacking])}`);
  const first = Math.min(...messages.map(({ written, done }) => (written ?? done).start));
  const last = Math.max(...messages.map(({ done }) => done.end));
  const meanwhile = ({ start, end }) => start > first && end < last;
  return { messages, syncs: syncs.filter(meanwhile), writes: writes.filter(meanwhile) };
}

/** Messages that were done without a sync between having been written and that. */
function unsynced({ messages, syncs }) {
  const covered = ({ written, done }) =>
    written && syncs.some((sync) => sync.start > written.end && sync.end < done.start);
  return messages.filter((message) => !covered(message)).length;
}

/** A directory in memory, if the system writes over files there without being called (Linux 5.14). */
function memoryFileSystem() {
  const [path, tmpfs] = ["/dev/shm", 0x01021994];
  const [major, minor] = release().split(".").map(Number);
  const isNew = major > 5 || (major === 5 && minor >= 14);
  return isNew && existsSync(path) && statfsSync(path).type === tmpfs ? path : undefined;
}

const failures = [];
function expectThat(holds, what) {
  if (!holds) failures.push(what);
}

function measure(title, options) {
  const seen = watch(options);
  const [count, syncs, without] = [seen.messages.length, seen.syncs.length, unsynced(seen)];
  const writes = seen.writes.length;
  const share = syncs > 0 ? (count / syncs).toFixed(2) : "-";
  console.log(
    `${title}: ${count} messages, ${syncs} syncs, ${share} messages per sync, ${without} done before a sync, ` +
      `${writes} writes to the log`,
  );
  return { count, syncs, without, writes };
}

const alone = measure("strict, one at a time (sync flavour)", {
  flavour: "sync",
  durability: "strict",
  waves: 200,
  perWave: 1,
});
expectThat(alone.without === 0, "strict: a message alone was done before it was synced");
expectThat(alone.syncs === alone.count, "strict: a message alone takes one sync");

const shared = measure("strict, 64 under way (async flavour)", {
  flavour: "async",
  durability: "strict",
  waves: 20,
  perWave: 64,
});
expectThat(shared.without === 0, "strict: a message of many was done before it was synced");
expectThat(
  shared.count >= 8 * shared.syncs,
  "strict: messages under way together share syncs, 8 or more each",
);

const several = measure("strict, 64 under way by 16 storages on one directory", {
  flavour: "async",
  durability: "strict",
  waves: 20,
  perWave: 64,
  storages: 16,
});
expectThat(
  several.without === 0,
  "strict: a message of one of several storages was done before it was synced",
);

for (const flavour of ["sync", "async"]) {
  const relaxed = measure(`relaxed (${flavour} flavour)`, {
    flavour,
    durability: "relaxed",
    waves: 200,
    perWave: flavour === "sync" ? 1 : 8,
  });
  expectThat(relaxed.without >= relaxed.count * 0.9, `relaxed, ${flavour}: messages wait for syncs`);
  expectThat(relaxed.syncs <= relaxed.count / 20, `relaxed, ${flavour}: there are syncs all the time`);
}

const inMemory = memoryFileSystem();
if (inMemory === undefined) {
  console.log(
    "Whether messages at relaxed need calls was not looked at: no file is written over in memory here.",
  );
} else {
  const scratch = scratchIn(inMemory);
  for (const flavour of ["sync", "async"]) {
    const relaxed = measure(`relaxed, in ${inMemory} (${flavour} flavour)`, {
      flavour,
      durability: "relaxed",
      waves: 400,
      perWave: 1,
      scratch,
    });
    expectThat(relaxed.writes < relaxed.count / 10, `relaxed, ${flavour}: messages are written by calls`);
  }
}

const early = measure("strict, done before storing, to see that this is noticed", {
  flavour: "sync",
  durability: "strict",
  waves: 20,
  perWave: 1,
  sabotage: true,
});
expectThat(early.without === early.count, "messages done before they were stored went unnoticed");

for (const failure of failures) console.error(`failed: ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
