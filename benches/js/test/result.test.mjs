/** Results are of the form that all suites share, ratios are of what can be compared, and calls are counted where they count. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileSystemOf } from "../src/machine.mjs";
import { findNodes } from "../src/newer-node.mjs";
import { PEER_NAMES, PEERS, peerOf, reference } from "../src/peers.mjs";
import { choosePeers, isStrict, planOf, TRACE_NAMES } from "../src/plan.mjs";
import { costTable, latencyTable, ratio, sizeTable, syscallTable } from "../src/report.mjs";
import { Collector, problemsOf } from "../src/result.mjs";
import { counted } from "../src/syscalls.mjs";

/** @returns {import("../src/result.mjs").Facts} */
function facts() {
  const machine = { cpu: "a", processors: 2, memoryBytes: 1, system: "Linux", fileSystem: "ext4" };
  const { label: title, level, kind } = PEERS.native;
  const other = PEERS["sqlite-cached"];
  return {
    suite: "js",
    date: "2026-01-01T00:00:00.000Z",
    commit: "0",
    quick: true,
    machine: { ...machine, loadBefore: 0, loadAfter: 0 },
    versions: { node: "v20" },
    seed: 1,
    rounds: 2,
    workloads: [{ name: "hot", title: "hot", messages: 10, transactions: 10, values: 1, payloadBytes: 1000 }],
    peers: [
      { name: "native", title, level, kind },
      { name: "sqlite-cached", title: other.label, level: other.level, kind: other.kind },
    ],
  };
}

function collected() {
  const collector = new Collector();
  for (const [round, wall] of [10, 20].entries()) {
    collector.add("hot", "store", "native", 10, { wall, cpu: 4, peakMemory: undefined });
    collector.add("hot", "store", "sqlite-cached", 10, { wall: wall * (round + 2), cpu: 12 });
    collector.addLatencies("hot", "store", "native", Float32Array.of(0.25, 1));
  }
  collector.add("hot", "store-close", "native", 10, { wall: 11, cpu: 5, disk: 500, syncs: 1, writes: 10 });
  return collector;
}

test("figures are kept by round, and those that could not be measured are left out", () => {
  const result = collected().result(facts());
  assert.equal(result.schema, 1);
  const { measurements, latencies } = result;
  assert.deepEqual(measurements[0], {
    workload: "hot",
    phase: "store",
    peer: "native",
    metric: "wall",
    unit: "ms",
    operations: 10,
    values: [10, 20],
    against: "native",
  });
  const other = measurements.find(({ peer, metric }) => peer === "sqlite-cached" && metric === "wall");
  assert.equal(other?.against, "native");
  assert.ok(!measurements.some(({ metric }) => metric === "peakMemory"));
  const [first] = latencies;
  assert.deepEqual([first?.unit, first?.count, first?.percentiles.length], ["us", 4, 6]);
  assert.deepEqual(
    [first?.percentiles[0], first?.percentiles[5]],
    [
      [50, 250],
      [100, 1000],
    ],
  );
  assert.deepEqual(problemsOf(result), []);
});

test("a result that names what is not there, or has no figure, is not sound", () => {
  const collector = collected();
  collector.add("cold", "store", "other", 0, { wall: Number.NaN });
  collector.failures.push({ peer: "none", workload: "hot", reason: "" });
  const problems = problemsOf(collector.result(facts()));
  assert.equal(problems.length, 5, problems.join("\n"));
  assert.throws(() => collector.add("hot", "store", "native", 11, { wall: 1 }), /11 operations, not 10/);
});

test("ratios are of medians or minima, with those of the rounds beside them", () => {
  assert.deepEqual(ratio(3, [20, 60], [10, 20]), ["3.00x", "2.0-3.0"]);
  const result = collected().result(facts());
  const row = costTable(result, "hot")
    .split("\n")
    .find((line) => line.includes("SQLite"));
  assert.match(row ?? "", /2\.67x\s+2\.0-3\.0\s+3\.00x\s+3\.0-3\.0$/);
  assert.match(latencyTable(result, "hot"), /native\s+4\s+250\s/);
  assert.match(sizeTable(result, "hot") ?? "", /500 B\s+0\.50\s+unknown/);
  assert.match(syscallTable(result, "hot") ?? "", /native\s+10\s+0\.1000\s+1\.0000/);
});

test("storages are compared with ours of the same level and in the same Node", () => {
  assert.equal(reference("sqlite-cached", "load", PEER_NAMES), "native");
  assert.equal(reference("sqlite-cached-full", "store-alone", PEER_NAMES), "native-strict");
  assert.equal(reference("sqlite-cached-full", "store-64", PEER_NAMES), "native-strict-async");
  assert.equal(reference("node-sqlite", "load", PEER_NAMES), "native-newer");
  assert.equal(reference("node-sqlite-full", "store-64", PEER_NAMES), "native-strict-async-newer");
  assert.equal(reference("node-sqlite", "load", ["native"]), "native");
  for (const name of PEER_NAMES) {
    const ours = reference(name, isStrict(name) ? "store-alone" : "store", PEER_NAMES);
    assert.ok(
      peerOf(name).kind === "floor" || PEERS[/** @type {"native"} */ (ours)].level === peerOf(name).level,
    );
  }
});

test("what needs another Node is skipped without one, and ours is not measured twice in one", () => {
  const none = choosePeers(undefined, { newer: undefined, apart: false });
  assert.deepEqual(none.skipped, ["node-sqlite", "node-sqlite-full"]);
  const same = choosePeers(undefined, { newer: process.execPath, apart: false });
  assert.ok(same.peers.includes("node-sqlite") && !same.peers.includes("native-newer"));
  const apart = choosePeers(["native-newer", "native"], { newer: "node", apart: true });
  assert.deepEqual(apart, { peers: ["native", "native-newer"], skipped: [] });
  assert.match(findNodes("/nowhere/node").lacking ?? "", /does not run/);
});

test("every trace has a plan in both sizes", () => {
  for (const name of TRACE_NAMES) {
    assert.ok(planOf(name, false).strict > planOf(name, true).strict);
  }
});

test("a file system is that of the innermost mount", () => {
  const directory = mkdtempSync(join(tmpdir(), "jazz-bench-test-"));
  try {
    const mounts = `a / ext4 rw 0 0\nb ${directory} tmpfs rw 0 0\nc ${directory}x xfs rw 0 0\nd ${directory} btrfs rw 0 0`;
    assert.equal(fileSystemOf(directory, mounts), "btrfs");
    assert.equal(fileSystemOf(tmpdir(), mounts), "ext4");
    assert.equal(fileSystemOf(tmpdir(), ""), "unknown");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("calls count that are for the files of the store, and between the marks", () => {
  const trace = [
    '7 pwrite64(21</s/store/log>, "a", 1, 0) = 1',
    '7 write(3</s/marks>, "begin\\n", 6) = 6',
    '7 pwrite64(21</s/store/log>, "a", 1, 0) = 1',
    '7 write(9<anon_inode:[eventfd]>, "a", 8) = 8',
    "8 fdatasync(21</s/store/log>) = 0",
    "8 fsync(4</s/store2/log>) = 0",
    '7 write(3</s/marks>, "end\\n", 4) = 4',
    "7 fsync(21</s/store/log>) = 0",
  ].join("\n");
  assert.deepEqual(counted(trace, "/s/store", "/s/marks"), {
    storing: { syncs: 1, writes: 1 },
    whole: { syncs: 2, writes: 2 },
  });
  assert.throws(() => counted("", "/s/store", "/s/marks"), /marks/);
});
