/** Backups, what is made of them, and compacting: while others store, ended early, and refused. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type BackupLocation,
  type DegradedEvent,
  type JazzNativeStorage,
  NativeStorageError,
  type Progress,
  restoreBackup,
} from "../src/index.js";
import {
  coValueIds,
  FLAVOURS,
  HEADER,
  loadWhole,
  message,
  open,
  SESSION,
  silence,
  single,
  store,
  temporaryDirectory,
  trusting,
} from "./support.js";

const text = (n: number, size = 100) => `${n};`.repeat(size);

async function fill(storage: JazzNativeStorage, count: number, size = 100): Promise<void> {
  for (let n = 0; n < count; n++) await store(storage, single(`co_z${n}`, [trusting(text(n, size))], HEADER));
}

describe.each(FLAVOURS)("%s", (flavour) => {
  test.each(["file", "directory"])("a backup to a %s, while others store, is restored", async (kind) => {
    const directory = temporaryDirectory();
    const storage = await open({ path: join(directory, "store"), flavour, deltaBytes: 16_384 });
    await fill(storage, 300);
    const place = join(directory, "backups", "first");
    const target = (kind === "file" ? { file: place } : { directory: place }) as BackupLocation;
    const backup = storage.backup(target);
    let during = 0;
    let running = true;
    const finished = backup.finally(() => {
      running = false;
    });
    while (running || during < 10) {
      await store(storage, single(`co_zDuring${during++}`, [trusting(text(during))], HEADER));
      await new Promise(setImmediate);
    }
    const { files, bytes } = await finished;
    expect(files).toBeGreaterThan(2);

    const path = join(directory, "restored");
    const seen: Progress[] = [];
    const result = await restoreBackup({ from: target, path, onProgress: (it) => seen.push(it) });
    expect(result).toEqual({ files: expect.any(Number), bytes: expect.any(Number) });
    expect(seen.at(-1)).toEqual({ done: bytes, total: bytes });
    const restored = await open({ path, flavour });
    const ids = await coValueIds(restored);
    // All that was stored before, and a beginning of what was stored meanwhile.
    expect(ids.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, n) => `co_z${n}`));
    expect(ids.slice(300)).toEqual(ids.slice(300).map((_, n) => `co_zDuring${n}`));
    for (const n of [0, 150, 299]) {
      expect(await loadWhole(restored, `co_z${n}`)).toEqual(await loadWhole(storage, `co_z${n}`));
    }
    await store(restored, single("co_z0", [trusting("more")], HEADER, 1));
    expect((await loadWhole(restored, "co_z0")).sessions[SESSION]?.transactions).toEqual([
      trusting(text(0)),
      trusting("more"),
    ]);
    if (kind === "directory") {
      const opened = await open({ path: place, flavour });
      expect(await coValueIds(opened)).toEqual(ids);
    }
  });

  test("nothing that exists is replaced, and what is no backup is refused", async () => {
    const directory = temporaryDirectory();
    const storage = await open({ path: join(directory, "store"), flavour });
    await fill(storage, 3);
    const file = join(directory, "one.jazzbak");
    await storage.backup({ file });
    const before = readFileSync(file);
    const exists = { code: "TARGET_EXISTS", message: expect.stringContaining(file) };
    await expect(storage.backup({ file })).rejects.toMatchObject(exists);
    expect(readFileSync(file)).toEqual(before);
    await expect(storage.backup({ directory })).rejects.toMatchObject({ code: "TARGET_EXISTS" });
    const from = { file };
    await expect(restoreBackup({ from, path: directory })).rejects.toMatchObject({ code: "TARGET_EXISTS" });

    const path = join(directory, "restored");
    before.writeUInt8(before.readUInt8(before.length >> 1) ^ 4, before.length >> 1);
    writeFileSync(file, before);
    await expect(restoreBackup({ from, path })).rejects.toMatchObject({ code: "CORRUPT" });
    writeFileSync(file, before.subarray(0, before.length - 1));
    await expect(restoreBackup({ from, path })).rejects.toMatchObject({ code: "CORRUPT" });
    writeFileSync(file, "something else");
    await expect(restoreBackup({ from, path })).rejects.toMatchObject({ code: "NOT_A_BACKUP" });
    const inUse = { directory: join(directory, "store") };
    await expect(restoreBackup({ from: inUse, path })).rejects.toMatchObject({ code: "LOCKED" });
    expect(existsSync(path)).toBe(false);
  });

  test("a backup is ended by a signal, and nothing is left of it; an onProgress that throws ends nothing", async () => {
    const directory = temporaryDirectory();
    const storage = await open({ path: join(directory, "store"), flavour });
    await fill(storage, 40, 500_000);
    mkdirSync(join(directory, "backups"));
    const file = join(directory, "backups", "one");
    const controller = new AbortController();
    const backup = storage.backup({ file }, { signal: controller.signal });
    controller.abort("enough");
    const error: unknown = await backup.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NativeStorageError);
    expect(error).toMatchObject({ code: "CANCELLED", cause: "enough" });
    expect(readdirSync(join(directory, "backups"))).toEqual([]);

    const aborted = { signal: AbortSignal.abort() };
    await expect(storage.backup({ file }, aborted)).rejects.toMatchObject({ code: "CANCELLED" });
    const boom = () => {
      throw new Error("from onProgress");
    };
    const errors = silence("error");
    expect(await storage.backup({ file }, { onProgress: boom })).toMatchObject({ files: expect.any(Number) });
    expect(errors).toHaveBeenCalledWith(expect.stringContaining("onProgress"), expect.anything());
  });

  test("compacting gives the room back that erased values took, while others store", async () => {
    const storage = await open({ path: join(temporaryDirectory(), "store"), flavour });
    await fill(storage, 50, 10_000);
    for (let n = 0; n < 40; n++) {
      const id = `co_z${n}` as const;
      storage.markDeleteAsValid(id);
      await store(storage, message(id, { [`${SESSION}$`]: { transactions: [trusting("deleted")] } }, HEADER));
    }
    await storage.eraseAllDeletedCoValues();
    const before = await storage.stats();
    const compacted = storage.compact();
    await store(storage, single("co_zDuring", [trusting("during")], HEADER));
    await compacted;
    const after = await storage.stats();
    expect(after.logBytes).toBeLessThan(before.logBytes / 3);
    expect(after).toMatchObject({ layers: 1, runs: 1 });
    expect(after.stalled ?? after.writeFailure).toBeUndefined();
    expect(after.bytesRewritten).toBeGreaterThan(0);
    expect(after.deadBytes).toBe(0);
    expect((await loadWhole(storage, "co_z49")).sessions[SESSION]?.transactions).toEqual([
      trusting(text(49, 10_000)),
    ]);
    expect(await coValueIds(storage)).toHaveLength(51);
  });

  test("damage met by a backup is reported once, failures of the target are not", async () => {
    const path = join(temporaryDirectory(), "store");
    const events: DegradedEvent[] = [];
    const onDegraded = (event: DegradedEvent) => events.push(event);
    const storage = await open({ path, flavour, onDegraded });
    await fill(storage, 3);
    await expect(storage.backup({ directory: path })).rejects.toMatchObject({ code: "TARGET_EXISTS" });
    await expect(storage.backup({ file: join(path, "LOCK", "file") })).rejects.toMatchObject({
      code: "NOT_A_DIRECTORY",
    });
    expect(events).toEqual([]);
    const log = join(path, readdirSync(path).find((name) => name.startsWith("segment-")) as string);
    const bytes = readFileSync(log);
    // Not in the middle, as zeros may have been written ahead of the log.
    const place = bytes.indexOf("co_z");
    bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
    writeFileSync(log, bytes);
    const file = join(path, "..", "backup");
    const corrupt = { code: "CORRUPT", message: expect.stringContaining(log) };
    await expect(storage.backup({ file })).rejects.toMatchObject(corrupt);
    expect(events.map(({ code }) => code)).toEqual(["CORRUPT"]);
    expect(existsSync(file)).toBe(false);
  });

  test("what is no target, source, signal or callback is refused", async () => {
    const storage = await open({ durability: "memory", flavour });
    const refused = { code: "INVALID_OPTION" };
    for (const target of [
      undefined,
      null,
      "backup",
      {},
      { file: "" },
      { file: "a", directory: "b" },
      { files: "a" },
    ]) {
      const location = target as unknown as BackupLocation;
      await expect(storage.backup(location)).rejects.toMatchObject(refused);
      await expect(restoreBackup({ from: location, path: "x" })).rejects.toMatchObject(refused);
    }
    for (const options of [{ onProgress: 1 }, { signal: {} }]) {
      await expect(storage.backup({ file: "x" }, options as object)).rejects.toMatchObject(refused);
    }
    await expect(restoreBackup({ from: { file: "a" }, path: "" })).rejects.toMatchObject(refused);
    await expect(restoreBackup(undefined as never)).rejects.toMatchObject(refused);
    expect(existsSync("x")).toBe(false);
  });
});
