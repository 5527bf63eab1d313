/**
 * Watches the system calls of a program that stores, on Linux with strace: at the level `strict` a sync of the log begins
 * after a message was written and ends before its `done`; how many messages share one; at `relaxed` nothing waits for it, and
 * messages may be written without a call.
 *
 *   node npm/jazz-native-storage/test/syscalls/check.mjs
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readTrace } from "./trace.mjs";

const PROGRAM = fileURLToPath(new URL("./program.mjs", import.meta.url));
const SYNCS = ["fdatasync", "fsync"];
const WRITES = ["pwrite64", "pwritev", "pwritev2", "write", "writev"];

// On a disk: what a RAM disk does on a sync is nothing, but the calls are the same.
const scratch = mkdtempSync(join(tmpdir(), "jazz-native-storage-syscalls-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Runs the program and gives, for its messages, when each was written, if it was by a call, and done, and the log's syncs. */
function watch({ flavour, durability, waves, perWave, storages = 1, sabotage = false }) {
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
  const syncs = [];
  for (const call of readTrace(readFileSync(trace, "utf8"))) {
    const inLog = basename(call.path).startsWith("segment-");
    if (inLog && SYNCS.includes(call.name)) syncs.push(call);
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
  return { messages, syncs: syncs.filter(({ start, end }) => start > first && end < last) };
}

/** Messages that were done without a sync between having been written and that. */
function unsynced({ messages, syncs }) {
  const covered = ({ written, done }) =>
    written && syncs.some((sync) => sync.start > written.end && sync.end < done.start);
  return messages.filter((message) => !covered(message)).length;
}

const failures = [];
function expectThat(holds, what) {
  if (!holds) failures.push(what);
}

function measure(title, options) {
  const seen = watch(options);
  const [count, syncs, without] = [seen.messages.length, seen.syncs.length, unsynced(seen)];
  const share = syncs > 0 ? (count / syncs).toFixed(2) : "-";
  console.log(
    `${title}: ${count} messages, ${syncs} syncs, ${share} messages per sync, ${without} done before a sync`,
  );
  return { count, syncs, without };
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
