/** What the addon adds to the engine: lifetimes of bytes, promises, errors, threads. Run by `cargo xtask test`. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";
import { counter, message, text } from "./forms.mjs";

const root = resolve(import.meta.dirname, "../../..");
const native = join(root, "npm/jazz-native-storage/native");
const addon = join(native, readdirSync(native).find((file) => file.endsWith(".node")) ?? "missing");
const { libraryVersion, NativeStorage, restoreBackupAsync, StorageTask } = createRequire(import.meta.url)(
  addon,
);

const scratch = mkdtempSync(join(tmpdir(), "jazz-native-storage-binding-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const BUDGET = 1e9;
const inMemory = () => NativeStorage.open({ durability: "memory" });

test("the addon has the version of the package", () => {
  const { version: expected } = JSON.parse(
    readFileSync(join(root, "npm/jazz-native-storage/package.json"), "utf8"),
  );
  assert.equal(libraryVersion().package, expected);
});

test("every operation has a twin off the event loop, and what takes long exists only there", () => {
  const methods = Object.getOwnPropertyNames(NativeStorage.prototype).filter(
    (name) => !["constructor", "onEvent", "task"].includes(name),
  );
  const lent = ["loadLent", "loadPieceLent", "knownStateLent"];
  const sync = methods.filter((name) => !name.endsWith("Async") && !lent.includes(name));
  assert.equal(sync.length, 22);
  assert.equal(methods.length, 2 * sync.length + 3 + lent.length);
  assert.deepEqual(
    methods.filter((name) => name.endsWith("Async")).sort(),
    [...sync.map((name) => `${name}Async`), "backupAsync", "compactAsync", "verifyAsync"].sort(),
  );
});

test("a backup runs beside stores, tells how far it is, ends when told, and is restored", async () => {
  const storage = inMemory();
  for (let n = 0; n < 40; n++) storage.store(message(`co_z${n}`, { changes: "x".repeat(1_000_000) }));
  const file = join(scratch, "backup.jazzbak");
  const task = new StorageTask();
  assert.deepEqual(task.progress(), { done: 0, total: 0 });
  const backup = storage.backupAsync({ file }, task);
  assert.equal(await storage.storeAsync(message("co_z40")), null);
  const { files, bytes } = await backup;
  assert(files > 0 && bytes > 40_000_000);
  assert.deepEqual(task.progress(), { done: bytes, total: bytes });

  const ended = storage.task();
  ended.cancel();
  await assert.rejects(() => storage.backupAsync({ file: `${file}2` }, ended), { code: "CANCELLED" });
  await assert.rejects(() => storage.backupAsync({ file }, new StorageTask()), { code: "TARGET_EXISTS" });
  for (const location of [{}, { file, directory: file }, { file: "" }]) {
    await assert.rejects(() => storage.backupAsync(location, new StorageTask()), { code: "INVALID_OPTION" });
  }
  const path = join(scratch, "restored");
  assert.deepEqual(await restoreBackupAsync({ file }, path, new StorageTask()), { files, bytes });
  const restored = NativeStorage.open({ path });
  assert(restored.coValueCount() >= 40);
  assert.deepEqual(restored.load(text("co_z7"), BUDGET), storage.load(text("co_z7"), BUDGET));
  restored.close();
  await assert.rejects(() => restoreBackupAsync({ file }, path, new StorageTask()), {
    code: "TARGET_EXISTS",
  });
});

test("nothing is null, in both flavours", async () => {
  const storage = inMemory();
  assert.equal(storage.load(text("co_z1"), BUDGET), null);
  assert.equal(await storage.loadAsync(text("co_z1"), BUDGET), null);
  assert.equal(storage.store(message("co_z1")), null);
  assert.equal(await storage.storeAsync(message("co_z1", { after: 1 })), null);
  assert.equal(counter(storage.knownState(text("co_z1"))), 2);
});

test("a view into a larger buffer is read from where it begins to where it ends", () => {
  const storage = inMemory();
  const bytes = message("co_z1");
  const large = new Uint8Array(bytes.length + 64).fill(0xee);
  large.set(bytes, 13);
  assert.equal(storage.store(large.subarray(13, 13 + bytes.length)), null);
  assert.equal(storage.coValueCount(), 1);
});

test("results keep their bytes, however many follow", () => {
  const storage = inMemory();
  const sizes = [0, 1, 100, 3_900, 4_100, 70_000, 1_000_000];
  for (const size of sizes) storage.store(message(`co_z${size}`, { changes: "x".repeat(size) }));
  const kept = [];
  for (let round = 0; round < 200; round++) {
    const size = sizes[round % (round < 20 ? sizes.length : 4)];
    kept.push([size, storage.load(text(`co_z${size}`), BUDGET)]);
  }
  for (const [size, bytes] of kept) {
    assert.equal(bytes.filter((byte) => byte === 0x78).length, size);
  }
});

test("a result whose memory was transferred away leaves the others alone", () => {
  const storage = inMemory();
  storage.store(message("co_z1"));
  const expected = Array.from(storage.knownState(text("co_z1")));
  const result = storage.knownState(text("co_z1"));
  structuredClone(result, { transfer: [result.buffer] });
  assert.equal(result.length, 0);
  assert.deepEqual(Array.from(storage.knownState(text("co_z1"))), expected);
});

test("a lent answer is in the same memory as the one before, of which there is enough for each", () => {
  const storage = inMemory();
  const sizes = [1, 20_000, 5, 900_000, 16_000, 70_000, 1_100_000, 300];
  for (const size of sizes) storage.store(message(`co_z${size}`, { changes: "x".repeat(size) }));
  let before = storage.loadLent(text("co_z1"), BUDGET);
  for (const size of [...sizes, ...sizes]) {
    const expected = storage.load(text(`co_z${size}`), BUDGET);
    const lent = storage.loadLent(text(`co_z${size}`), BUDGET);
    const head = Buffer.from(lent.buffer, lent.byteOffset).readUInt32LE();
    assert.equal(head, expected.length, `${size}`);
    assert.deepEqual(Buffer.from(lent.subarray(4, 4 + head)), Buffer.from(expected), `${size}`);
    if (lent.length === before.length) assert.equal(lent, before, `${size}`);
    before = lent;
  }
  // One that is too large has its own, and leaves that of the others alone.
  const small = storage.loadLent(text("co_z5"), BUDGET);
  assert.ok(storage.loadLent(text("co_z1100000"), BUDGET).length > 1_100_000);
  assert.equal(storage.knownStateLent(text("co_z5")), small);
  assert.equal(storage.knownStateLent(text("co_zmissing")), null);
});

test("lent memory that was transferred away is replaced", () => {
  const storage = inMemory();
  storage.store(message("co_z1"));
  const lent = storage.knownStateLent(text("co_z1"));
  const expected = Array.from(lent.subarray(0, 4 + lent[0]));
  structuredClone(lent, { transfer: [lent.buffer] });
  assert.equal(lent.length, 0);
  const again = storage.knownStateLent(text("co_z1"));
  assert.deepEqual(Array.from(again.subarray(0, 4 + again[0])), expected);
});

test("an argument may change as soon as an asynchronous call has returned", async () => {
  const storage = inMemory();
  const bytes = message("co_z1");
  const stored = storage.storeAsync(bytes);
  bytes.fill(0xff);
  assert.equal(await stored, null);
  assert.equal(counter(storage.knownState(text("co_z1"))), 1);
});

test("asynchronous writes happen in the order of the calls", async () => {
  const storage = inMemory();
  const stored = Array.from({ length: 500 }, (_, index) =>
    storage.storeAsync(message("co_z1", { after: index })),
  );
  assert.deepEqual(await Promise.all(stored), new Array(500).fill(null));
  assert.equal(counter(storage.knownState(text("co_z1"))), 500);
});

test("errors have the engine's code, thrown or rejected", async () => {
  const storage = inMemory();
  const file = join(scratch, "file");
  writeFileSync(file, "");
  const cases = [
    ["MALFORMED", () => storage.store(Uint8Array.of(9)), () => storage.storeAsync(Uint8Array.of(9))],
    ["EMPTY_ID", () => storage.load(text(""), BUDGET), () => storage.loadAsync(text(""), BUDGET)],
    [
      "NOT_A_DIRECTORY",
      () => NativeStorage.open({ path: file }),
      () => NativeStorage.openAsync({ path: file }),
    ],
  ];
  for (const [code, thrown, rejected] of cases) {
    const expected = (error) =>
      error instanceof Error && error.code === code && error.message.length > code.length;
    assert.throws(thrown, expected, code);
    await assert.rejects(rejected, expected, code);
  }
});

test("options are checked before anything is opened", () => {
  const path = join(scratch, "never");
  for (const options of [
    { path, cacheBytes: -1 },
    { path, cacheBytes: 70_000.5 },
    { path, segmentBytes: Number.NaN },
    { path, deltaBytes: 16_383 },
    { path, bufferBytes: 1 },
    { path, segmentBytes: Number.POSITIVE_INFINITY },
    { path: "" },
    {},
  ]) {
    assert.throws(() => NativeStorage.open(options), { code: "INVALID_OPTION" }, JSON.stringify(options));
  }
  assert(!readdirSync(scratch).includes("never"));
});

test("an option of the wrong type is refused before anything is opened", async () => {
  const path = join(scratch, "never");
  for (const options of [
    { path, durability: "eternal" },
    { path, cacheBytes: "1" },
    { path: 1 },
    1,
    undefined,
  ]) {
    assert.throws(() => NativeStorage.open(options), Error);
    await assert.rejects(async () => await NativeStorage.openAsync(options), Error);
  }
  assert(!readdirSync(scratch).includes("never"));
});

test("listeners are called on the event loop, which they do not keep alive", async () => {
  const program = `
    const { NativeStorage, StorageTask } = require(${JSON.stringify(addon)});
    const storage = NativeStorage.open({ durability: "memory" });
    storage.onEvent(() => {});
    const task = new StorageTask();
    const told = [];
    task.onProgress((progress) => told.push(progress));
    storage.store(Uint8Array.from(${JSON.stringify(Array.from(message("co_z1")))}));
    storage.verifyAsync(task).then(() => setImmediate(() => process.stdout.write(JSON.stringify(told.at(-1)))));
  `;
  const { status, stdout } = spawnSync(process.execPath, ["-e", program], {
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(status, 0);
  const { done, total } = JSON.parse(stdout);
  assert(total > 0 && done === total, stdout);
});

test("the process lives until promises are settled, and ends by itself then", () => {
  const path = join(scratch, "process");
  const program = `
    const { NativeStorage } = require(${JSON.stringify(addon)});
    NativeStorage.openAsync({ path: ${JSON.stringify(path)} }).then(async (storage) => {
      await storage.flushAsync();
      process.stdout.write("settled");
    });
  `;
  const { status, stdout } = spawnSync(process.execPath, ["-e", program], {
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.deepEqual({ status, stdout }, { status: 0, stdout: "settled" });
});

test("a worker may end with operations under way", async () => {
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    const { NativeStorage } = require(workerData.addon);
    const storage = NativeStorage.open({ durability: "memory" });
    storage.store(workerData.message);
    parentPort.postMessage("started");
    (async () => {
      for (;;) {
        for (let count = 0; count < 100; count++) storage.loadAsync(workerData.id, 1e9);
        storage.load(workerData.id, 1e9);
        await storage.flushAsync();
      }
    })();
  `;
  const workerData = { addon, message: message("co_z1"), id: text("co_z1") };
  for (let round = 0; round < 10; round++) {
    const worker = new Worker(program, { eval: true, workerData });
    await new Promise((started, failed) => worker.once("message", started).once("error", failed));
    assert.equal(await worker.terminate(), 1);
  }
  const storage = inMemory();
  storage.store(message("co_z1"));
  assert.equal(counter(await storage.knownStateAsync(text("co_z1"))), 1);
});
