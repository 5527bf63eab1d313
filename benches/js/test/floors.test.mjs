/** The floors sync as they are named: nothing is done before a sync that began after it was written, and a sync is shared. */
import assert from "node:assert/strict";
import fs, { mkdtempSync, rmSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppendingStorage, SyncingStorage, TogetherSyncingStorage } from "../src/floors.mjs";
import { recordSmall } from "../src/trace.mjs";

/**
 * @typedef {import("../src/digest.mjs").Message} Message
 *
 * @typedef {object} Sync
 * @property {number} size of the file when the sync began
 * @property {(error: Error | null) => void} end
 */

const { lines } = await recordSmall({ messages: 100 }, 1);
const messages = lines.map((line) => /** @type {Message} */ (JSON.parse(line)));

/**
 * A floor with a file of its own, and its syncs. Those that are asynchronous go on until the test ends them.
 *
 * @param {import("node:test").TestContext} context
 * @param {new (path: string) => AppendingStorage} Floor
 */
function open(context, Floor) {
  const directory = mkdtempSync(join(tmpdir(), "jazz-bench-test-"));
  const path = join(directory, "log");
  const size = () => statSync(path).size;
  /** @type {Sync[]} */
  const syncs = [];
  /** @param {number} _file @param {Sync["end"]} end */
  const fdatasync = (_file, end = () => {}) => syncs.push({ size: size(), end });
  context.mock.method(fs, "fdatasync", fdatasync);
  context.mock.method(fs, "fdatasyncSync", fdatasync);
  // For the floors, which import them by name.
  syncBuiltinESMExports();
  const storage = new Floor(path);
  context.after(() => {
    context.mock.restoreAll();
    syncBuiltinESMExports();
    storage.close();
    rmSync(directory, { recursive: true });
  });

  /** @type {number[]} */
  const done = [];
  /** @type {number[]} how many syncs had begun when each was done */
  const after = [];
  const store = (/** @type {number} */ from, /** @type {number} */ to) => {
    for (let at = from; at < to; at += 1) {
      const message = messages[at];
      assert.ok(message);
      const whenDone = () => {
        done.push(at);
        after.push(syncs.length);
      };
      storage.store(message, () => assert.fail(), whenDone);
    }
  };
  return { store, size, syncs, done, after };
}

/** After what waits for the end of this turn. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

const upTo = (/** @type {number} */ end) => Array.from({ length: end }, (_, at) => at);

test("an append is done without a sync", (context) => {
  const { store, size, syncs, done } = open(context, AppendingStorage);
  store(0, 10);
  assert.deepEqual(done, upTo(10));
  assert.equal(syncs.length, 0);
  assert.ok(size() > 0);
});

test("each message has a sync of its own before it is done", (context) => {
  const { store, size, syncs, done, after } = open(context, SyncingStorage);
  for (const at of upTo(10)) {
    store(at, at + 1);
    assert.equal(syncs.length, at + 1);
    assert.equal(syncs[at]?.size, size());
    assert.equal(after[at], at + 1);
  }
  assert.deepEqual(done, upTo(10));
});

test("what is stored in one turn shares a sync, and so does all that is stored during one", async (context) => {
  const { store, size, syncs, done } = open(context, TogetherSyncingStorage);
  store(0, 50);
  await turn();
  assert.equal(syncs.length, 1);
  assert.equal(syncs[0]?.size, size());
  for (const at of [50, 60, 70]) {
    store(at, at + 10);
    await turn();
  }
  assert.equal(syncs.length, 1);
  assert.deepEqual(done, []);
  syncs[0]?.end(null);
  assert.deepEqual(done, upTo(50));
  await turn();
  assert.equal(syncs.length, 2);
  assert.equal(syncs[1]?.size, size());
  assert.deepEqual(done, upTo(50));
  syncs[1]?.end(null);
  assert.deepEqual(done, upTo(80));
  await turn();
  assert.equal(syncs.length, 2);
});

test("nothing is done by a sync that fails", async (context) => {
  const { store, syncs, done } = open(context, TogetherSyncingStorage);
  store(0, 10);
  await turn();
  const failure = new Error("of the disk");
  assert.throws(() => syncs[0]?.end(failure), failure);
  assert.deepEqual(done, []);
});
