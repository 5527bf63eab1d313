/**
 * Stores in files of a WebAssembly module on Node's file system: the checks of `FileIO`, locks, stores that pass from one
 * binding to the other, failures of the host, and a store long enough for all upkeep. Run by `cargo xtask test`.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { NodeHost } from "../../../npm/jazz-native-storage/dist/host/node-host.js";
import { counter, message, text } from "../../napi/test/forms.mjs";
import { bindings, fileSuite, wasm } from "./modules.mjs";

const scratch = mkdtempSync(join(tmpdir(), "jazz-native-storage-host-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

let made = 0;

/** The path of something that does not exist yet. */
const fresh = () => join(scratch, `${made++}`);

const BUDGET = 1e9;
const CHILD = join(import.meta.dirname, "child.mjs");
const PATH_WITHOUT_PROGRAMS = join(scratch, "nothing");

/** Where a process has no program `flock`, locks are files. */
const LOCKS = { "locks of the system": process.env.PATH, "locks of files": PATH_WITHOUT_PROGRAMS };

function ask(task, PATH = process.env.PATH) {
  const { stdout, stderr } = spawnSync(process.execPath, [CHILD, JSON.stringify(task)], {
    encoding: "utf8",
    env: { ...process.env, PATH },
  });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

/** A process that holds a store until `kill`. */
async function holder(task, PATH = process.env.PATH) {
  const child = spawn(process.execPath, [CHILD, JSON.stringify({ do: "hold", ...task })], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PATH },
  });
  const lines = createInterface(child.stdout);
  const [line] = await Promise.race([once(lines, "line"), once(lines, "close")]);
  assert(line, "the process has opened the store");
  const kill = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return { ...JSON.parse(line), kill };
}

/** Runs something with another search path for programs. */
function withPath(PATH, action) {
  const before = process.env.PATH;
  process.env.PATH = PATH;
  try {
    return action();
  } finally {
    process.env.PATH = before;
  }
}

function fill(storage, count, from = 0) {
  for (let n = from; n < from + count; n++) {
    assert.equal(storage.store(message(`co_z${n}`, { changes: `value of ${n}` })), undefined);
  }
}

function holds(storage, count) {
  assert.equal(storage.coValueCount(), count);
  for (let n = 0; n < count; n++) {
    const loaded = storage.load(text(`co_z${n}`), BUDGET);
    assert(loaded && Buffer.from(loaded).includes(`value of ${n}`), `co_z${n}`);
  }
}

/** Flips a bit in the middle of the longest file that holds transactions. */
function damage(path) {
  const names = readdirSync(path).filter((name) => /\.(log|dat)$/.test(name));
  const contents = names.map((name) => ({ name, bytes: readFileSync(join(path, name)) }));
  const [{ name, bytes }] = contents.sort((one, other) => other.bytes.length - one.bytes.length);
  bytes[bytes.length >> 1] ^= 0x40;
  writeFileSync(join(path, name), bytes);
}

const checks = (await fileSuite()).checkNames();

for (const [locks, PATH] of Object.entries(LOCKS)) {
  describe(`FileIO, with ${locks}`, () => {
    // It is about locks of the system.
    const beside = locks === "locks of files" ? ["what_stands_in_owner_disturbs_no_lock"] : [];
    for (const name of checks) {
      if (beside.includes(name)) continue;
      test(name, async () => {
        const directory = fresh();
        mkdirSync(directory);
        const suite = await fileSuite();
        withPath(PATH, () => suite.runCheck(name, directory));
      });
    }
  });
}

for (const [locks, PATH] of Object.entries(LOCKS)) {
  describe(`a store in use, with ${locks}`, () => {
    test("is refused to others, with the id of the process that has it, until that is killed", async () => {
      for (const binding of Object.keys(bindings)) {
        const path = fresh();
        const { pid, kill } = await holder({ binding, path }, PATH);
        const refused = ask({ do: "open", binding: "wasm", path }, PATH);
        const expected = `in use by process ${pid}:`;
        assert.equal(refused.code, "LOCKED", refused.message);
        assert(refused.message.includes(expected), refused.message);
        await kill();
        assert.deepEqual(ask({ do: "open", binding: "wasm", path }, PATH), { opened: true }, binding);
      }
    });

    test("is refused to another instance and to another thread of this process", async () => {
      const path = fresh();
      const [one, other] = [await wasm(), await wasm()];
      const storage = withPath(PATH, () => one.NativeStorage.open({ path }));
      const refusal = { code: "LOCKED", message: new RegExp(`in use by process ${process.pid}:`) };
      withPath(PATH, () => assert.throws(() => other.NativeStorage.open({ path }), refusal));
      const program = `
        const { parentPort, workerData } = require("node:worker_threads");
        process.env.PATH = workerData.PATH;
        import(workerData.modules).then(async ({ wasm }) => {
          const { NativeStorage } = await wasm();
          try {
            NativeStorage.open({ path: workerData.path }).close();
            parentPort.postMessage("opened");
          } catch (error) {
            parentPort.postMessage(error.code);
          }
        });
      `;
      const modules = new URL("./modules.mjs", import.meta.url).href;
      const inWorker = async () => {
        const worker = new Worker(program, { eval: true, workerData: { PATH, path, modules } });
        const [answer] = await once(worker, "message");
        await worker.terminate();
        return answer;
      };
      assert.equal(await inWorker(), "LOCKED");
      storage.close();
      assert.equal(await inWorker(), "opened");
      withPath(PATH, () => other.NativeStorage.open({ path }).close());
    });
  });
}

test("who locks by files, and who locks properly, keep each other out", async () => {
  const path = fresh();
  const [files, system] = [PATH_WITHOUT_PROGRAMS, process.env.PATH];
  for (const [first, second] of [
    [files, system],
    [system, files],
  ]) {
    const { kill } = await holder({ binding: "wasm", path }, first);
    assert.equal(ask({ do: "open", binding: "wasm", path }, second).code, "LOCKED");
    await kill();
    assert.deepEqual(ask({ do: "open", binding: "wasm", path }, second), { opened: true });
  }
});

test("the addon keeps out, and is kept out", { skip: !bindings.napi }, async () => {
  const path = fresh();
  for (const [first, second] of [
    ["wasm", "napi"],
    ["napi", "wasm"],
  ]) {
    const { pid, kill } = await holder({ binding: first, path });
    const refused = ask({ do: "open", binding: second, path });
    assert.equal(refused.code, "LOCKED");
    assert(refused.message.includes(`process ${pid}:`), refused.message);
    await kill();
  }
});

test("handles on one path share one store, however the path is written", async () => {
  const { NativeStorage } = await wasm();
  const path = fresh();
  const one = NativeStorage.open({ path });
  const other = NativeStorage.open({ path: join(path, "..", ".", path.slice(scratch.length + 1)) });
  fill(one, 1);
  holds(other, 1);
  one.close();
  holds(other, 1);
  other.close();
});

test("a store passes from any binding to any other, closed or not", () => {
  for (const from of Object.keys(bindings)) {
    for (const to of Object.keys(bindings)) {
      const path = fresh();
      const count = 300;
      assert.deepEqual(ask({ do: "store", binding: from, path, count }), { stored: count });
      assert.deepEqual(ask({ do: "load", binding: to, path, count }), { loaded: count }, `${from} to ${to}`);
      assert.deepEqual(ask({ do: "load", binding: from, path, count }), { loaded: count });
    }
  }
});

test("what a listener throws is the process's affair, and calls go on", () => {
  assert.deepEqual(ask({ do: "throwFromListener", binding: "wasm" }), {
    thrown: "from a listener",
    loaded: null,
    count: 1,
  });
});

test("damage is CORRUPT, verified and repaired", async () => {
  const { NativeStorage, StorageTask, repairAsync } = await wasm();
  const path = fresh();
  const storage = NativeStorage.open({ path });
  fill(storage, 100);
  storage.close();
  damage(path);
  const { damage: found } = await storage.verifyAsync(new StorageTask());
  const [id] = found[0].coValues;
  assert.deepEqual([found.length, found[0].coValues.length], [1, 1]);
  for (let n = 0; n < 100; n++) {
    const load = () => storage.load(text(`co_z${n}`), BUDGET);
    if (id === `co_z${n}`) assert.throws(load, { code: "CORRUPT", message: new RegExp(`${id}\\b`) });
    else assert(Buffer.from(load()).includes(`value of ${n}`));
  }
  await assert.rejects(repairAsync(path, new StorageTask()), { code: "LOCKED" });
  storage.close();
  const { lostIds, coValues } = await repairAsync(path, new StorageTask());
  assert.deepEqual([lostIds, coValues], [[id], 99]);
  assert.deepEqual((await storage.verifyAsync(new StorageTask())).damage, []);
  storage.close();
});

test("backups to files and directories are made, restored and opened", async () => {
  const { NativeStorage, StorageTask, restoreBackupAsync } = await wasm();
  const storage = NativeStorage.open({ path: fresh() });
  fill(storage, 500);
  for (const kind of ["file", "directory"]) {
    const target = { [kind]: fresh() };
    const { bytes } = await storage.backupAsync(target, new StorageTask());
    assert(bytes > 0);
    await assert.rejects(storage.backupAsync(target, new StorageTask()), { code: "TARGET_EXISTS" });
    const path = fresh();
    assert.equal((await restoreBackupAsync(target, path, new StorageTask())).bytes, bytes);
    const restored = NativeStorage.open({ path });
    holds(restored, 500);
    restored.close();
  }
  const [gone, task] = [fresh(), new StorageTask()];
  task.cancel();
  await assert.rejects(storage.backupAsync({ directory: gone }, task), { code: "CANCELLED" });
  assert(!existsSync(gone), "nothing is left of it");
  storage.close();
});

test("paths that cannot be stores have the errors they have natively", async () => {
  const file = fresh();
  writeFileSync(file, "");
  const foreign = fresh();
  mkdirSync(foreign);
  writeFileSync(join(foreign, "photo"), "");
  for (const [path, code] of [
    [file, "NOT_A_DIRECTORY"],
    [join(file, "store"), "NOT_A_DIRECTORY"],
    [foreign, "FOREIGN_DIRECTORY"],
    ["", "INVALID_OPTION"],
    ...(process.platform === "linux" ? [["/sys/store", "PERMISSION_DENIED"]] : []),
  ]) {
    for (const [name, load] of Object.entries(bindings)) {
      const { NativeStorage } = await load();
      assert.throws(() => NativeStorage.open({ path }), { code }, `${name}: ${path}`);
    }
  }
});

test("without a host there are stores in memory only", async () => {
  const { NativeStorage } = await wasm(null);
  const storage = NativeStorage.open({ durability: "memory" });
  fill(storage, 10);
  holds(storage, 10);
  assert.throws(() => NativeStorage.open({ path: fresh() }), { code: "IO", message: /"memory"/ });
});

test("a module has one host", async () => {
  const host = new NodeHost();
  const module = await wasm(host);
  module.setHost(host);
  assert.throws(() => module.setHost(new NodeHost()), { code: "INTERNAL" });
});

test("directories that are created are made durable in their parents, and stores at the level strict", async () => {
  const synced = [];
  class Recording extends NodeHost {
    syncDirectory(path) {
      synced.push(path);
      super.syncDirectory(path);
    }
    sync(file) {
      synced.push("file");
      super.sync(file);
    }
  }
  const { NativeStorage } = await wasm(new Recording());
  const parent = fresh();
  const path = join(parent, "deep", "store");
  const storage = NativeStorage.open({ path, durability: "strict" });
  assert.deepEqual(synced.slice(0, 3), [join(parent, "deep"), parent, scratch]);
  assert(synced.includes(path), "the names in the store's directory");
  for (let n = 0; n < 3; n++) {
    synced.length = 0;
    fill(storage, 1, n);
    assert.deepEqual(synced, ["file"]);
  }
  storage.close();
});

/** Node's file system, until it is told to fail. */
class FailingHost extends NodeHost {
  fails = {};

  #check(method) {
    if (method in this.fails) throw this.fails[method];
  }

  write(...args) {
    this.#check("write");
    return super.write(...args);
  }

  truncate(file, size) {
    if (size > this.size(file)) this.#check("write");
    return super.truncate(file, size);
  }

  list(...args) {
    this.#check("list");
    return super.list(...args);
  }

  read(...args) {
    this.#check("read");
    const result = super.read(...args);
    return "readGives" in this.fails ? this.fails.readGives : result;
  }
}

test("a full disk is DISK_FULL, and the store goes on when there is room", async () => {
  const host = new FailingHost();
  const { NativeStorage } = await wasm(host);
  const path = fresh();
  const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
  const quota = new DOMException("the quota is used up", "QuotaExceededError");
  const storage = NativeStorage.open({ path, deltaBytes: 16_384 });
  let stored = 0;
  for (const failure of [full, quota, full]) {
    fill(storage, 500, stored);
    stored += 500;
    host.fails = { write: failure };
    const store = () => storage.store(message(`co_z${stored}`, { changes: "x".repeat(2_000_000) }));
    assert.throws(store, { code: "DISK_FULL" });
    assert.throws(store, { code: "DISK_FULL" });
    holds(storage, stored);
    host.fails = {};
  }
  storage.close();
  holds(storage, stored);
  storage.close();
  const again = (await wasm()).NativeStorage.open({ path });
  holds(again, stored);
  again.close();
});

test("what a host throws becomes the error that the same failure is natively", async () => {
  const thrown = (code) => Object.assign(new Error(`${code}: of a test`), { code });
  for (const [failure, code] of [
    [thrown("EACCES"), "PERMISSION_DENIED"],
    [thrown("EPERM"), "PERMISSION_DENIED"],
    [thrown("EROFS"), "PERMISSION_DENIED"],
    [thrown("ENOTDIR"), "NOT_A_DIRECTORY"],
    [thrown("EDQUOT"), "DISK_FULL"],
    [thrown("EFBIG"), "DISK_FULL"],
    [thrown("EIO"), "IO"],
    [new DOMException("of a test", "NotAllowedError"), "PERMISSION_DENIED"],
    [new DOMException("of a test", "InvalidStateError"), "IO"],
    [new TypeError("of a test"), "IO"],
    ["of a test", "IO"],
    [undefined, "IO"],
  ]) {
    const host = new FailingHost();
    const { NativeStorage } = await wasm(host);
    host.fails = { list: failure };
    const path = fresh();
    const message = failure?.message && code === "IO" ? new RegExp(failure.message) : /./;
    assert.throws(() => NativeStorage.open({ path }), { code, message }, String(failure));
    host.fails = {};
    NativeStorage.open({ path }).close();
  }
});

test("numbers that a host cannot mean are refused", async () => {
  for (const readGives of [-1, 1e9, 0.5, Number.NaN, "many"]) {
    const host = new FailingHost();
    const { NativeStorage } = await wasm(host);
    const path = fresh();
    const storage = NativeStorage.open({ path });
    fill(storage, 10);
    storage.close();
    host.fails = { readGives };
    assert.throws(() => NativeStorage.open({ path }), { code: "IO" });
    host.fails = {};
    holds(storage, 10);
    storage.close();
  }
});

test("a long store checkpoints, merges and compacts on its own, and keeps everything", async () => {
  const { NativeStorage, StorageTask, repairAsync } = await wasm();
  const [path, values, rounds] = [fresh(), 5_000, 10];
  const options = { path, deltaBytes: 65_536, segmentBytes: 1 << 20 };
  const storage = NativeStorage.open(options);
  const changes = (value, round) => `${value}/${round}:${"-".repeat((value * 7 + round) % 200)};`;
  const id = (value) => `co_z${value}`;
  for (let round = 0; round < rounds; round++) {
    for (let value = 0; value < values; value++) {
      const bytes = message(id(value), { after: round, changes: changes(value, round) });
      assert.equal(storage.store(bytes), undefined);
    }
  }
  // Half of them are deleted, so that there is something to compact.
  const isErased = (value) => value % 2 === 1;
  const complete = (where) => {
    assert.equal(where.coValueCount(), values);
    for (let value = 0; value < values; value++) {
      if (isErased(value) && erased) continue;
      const loaded = Buffer.from(where.load(text(id(value)), BUDGET));
      assert.equal(counter(where.knownState(text(id(value)))), rounds);
      let at = 0;
      for (let round = 0; round < rounds; round++) {
        at = loaded.indexOf(changes(value, round), at);
        assert(at > 0, `${id(value)} has transaction ${round}`);
      }
    }
  };
  let erased = false;
  complete(storage);
  const stats = storage.stats();
  assert(stats.checkpoints > 10 && stats.merges > 0, JSON.stringify(stats));
  assert.equal(stats.stalled, undefined);
  storage.close();
  complete(storage);

  for (let value = 0; value < values; value++) if (isErased(value)) storage.erase(text(id(value)));
  erased = true;
  const before = storage.stats().logBytes;
  await storage.compactAsync();
  const { logBytes, layers } = storage.stats();
  assert(logBytes < before * 0.7, `${logBytes} of ${before} bytes are left`);
  assert.equal(layers, 1);
  complete(storage);
  assert.deepEqual((await storage.verifyAsync(new StorageTask())).damage, []);
  storage.close();

  damage(path);
  const { damage: found, lost, lostIds } = await repairAsync(path, new StorageTask());
  assert(found.length > 0);
  const kept = new Map(lost.map((session) => [session.coValue, session.kept]));
  for (let value = 0; value < values; value += 2) {
    const known = storage.knownState(text(id(value)));
    if (lostIds.includes(id(value))) assert.equal(known, undefined);
    else assert.equal(counter(known), kept.get(id(value)) ?? rounds);
  }
  assert.deepEqual((await storage.verifyAsync(new StorageTask())).damage, []);
  storage.close();
});
