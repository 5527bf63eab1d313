/** Every driver of SQLite works at the settings it is compared at, keeps what is committed and drops what is rolled back. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeSqlite, openDriver } from "../src/sqlite-driver.mjs";

/** @typedef {import("../src/sqlite-driver.mjs").Settings} Settings */

const modules = /** @type {const} */ (["better-sqlite3", "libsql", "node:sqlite"]);

for (const module of modules) {
  for (const synchronous of /** @type {const} */ (["NORMAL", "FULL"])) {
    for (const cached of [true, false]) {
      const name = `${module}, ${synchronous}, ${cached ? "cached" : "prepared per call"}`;
      const skip = module === "node:sqlite" && !nodeSqlite() ? "this Node has none" : false;
      test(name, { skip }, () => works({ module, synchronous, cached }));
    }
  }
}

/** @param {Settings} settings */
async function works(settings) {
  const directory = mkdtempSync(join(tmpdir(), "jazz-bench-test-"));
  try {
    const path = join(directory, "test.db");
    const first = await openDriver(path, settings);
    first.check();
    assert.match(first.version(), /^3\.\d+/);
    const { driver } = first;
    driver.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", []);
    driver.transaction(() => driver.run("INSERT INTO t VALUES (?, ?)", [1, "kept"]));
    const failure = new Error("rolled back");
    const failing = () =>
      driver.transaction(() => {
        driver.run("INSERT INTO t VALUES (?, ?)", [2, "dropped"]);
        throw failure;
      });
    assert.throws(failing, failure);
    driver.closeDb();
    const second = await openDriver(path, settings);
    const rows = second.driver.query("SELECT a, b FROM t", []);
    assert.deepEqual(
      rows.map(({ a, b }) => [a, b]),
      [[1, "kept"]],
    );
    assert.equal(second.driver.get("SELECT a FROM t WHERE a = ?", [2]), undefined);
    second.driver.closeDb();
  } finally {
    rmSync(directory, { recursive: true });
  }
}
