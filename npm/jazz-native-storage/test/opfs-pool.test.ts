/** The pool of files, over a directory in memory: what is found there after contexts that ended at any moment. */
import { expect, test } from "vitest";
import { OpfsPool, type SyncHandle } from "../src/host/opfs-pool.js";

class FileInMemory implements SyncHandle {
  bytes = new Uint8Array();
  isOpen = false;

  constructor(private readonly directory: DirectoryInMemory) {}

  read(bytes: Uint8Array, { at }: { at: number }): number {
    const found = this.bytes.subarray(at, at + bytes.length);
    bytes.set(found);
    return found.length;
  }

  write(bytes: Uint8Array, { at }: { at: number }): number {
    const end = at + bytes.length;
    if (end > this.bytes.length) this.truncate(end);
    this.bytes.set(bytes, at);
    return bytes.length;
  }

  getSize(): number {
    return this.bytes.length;
  }

  truncate(size: number): void {
    const grows = size > this.bytes.length;
    if (grows && this.directory.isFull) throw new DOMException("full", "QuotaExceededError");
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
  }

  flush(): void {}

  close(): void {
    this.isOpen = false;
  }
}

class DirectoryInMemory {
  readonly files = new Map<string, FileInMemory>();
  isFull = false;

  async *[Symbol.asyncIterator]() {
    for (const name of this.files.keys()) yield [name, this.entry(name)] as const;
  }

  async getFileHandle(name: string) {
    if (!this.files.has(name)) this.files.set(name, new FileInMemory(this));
    return this.entry(name);
  }

  async removeEntry(name: string) {
    this.files.delete(name);
  }

  /** As a browser does when the context ends. */
  closeAll() {
    for (const file of this.files.values()) file.isOpen = false;
  }

  pool() {
    return OpfsPool.open(this as unknown as FileSystemDirectoryHandle);
  }

  private entry(name: string) {
    const createSyncAccessHandle = async () => {
      const file = this.files.get(name) as FileInMemory;
      if (file.isOpen) throw new DOMException("open", "InvalidStateError");
      file.isOpen = true;
      return file;
    };
    return { kind: "file", createSyncAccessHandle };
  }
}

const text = (value: string) => new TextEncoder().encode(value);

function content(pool: OpfsPool, name: string): string {
  const bytes = new Uint8Array(9);
  const read = pool.find(name)?.read(bytes, 0) ?? 0;
  return new TextDecoder().decode(bytes.subarray(0, read));
}

test("names and contents are found again, and what was removed is free", async () => {
  const directory = new DirectoryInMemory();
  const pool = await directory.pool();
  await pool.refill(3);
  for (const name of ["/a", "/b", "/c"]) pool.create(name)?.write(text(name), 0);
  expect(pool.create("/d")).toBe(undefined);
  pool.rename(pool.find("/a") as never, "/b");
  pool.remove(pool.find("/c") as never);
  directory.closeAll();
  const again = await directory.pool();
  expect([[...again.names()], content(again, "/b"), again.spare]).toEqual([["/b"], "/a", 2]);
});

test("of two files of one name, as an interrupted renaming leaves them, the one renamed last counts", async () => {
  const directory = new DirectoryInMemory();
  const pool = await directory.pool();
  await pool.refill(2);
  const replaced = pool.create("/b");
  replaced?.write(text("old"), 0);
  const before = [...directory.files].map(([name, file]) => [name, file.bytes.slice()] as const);
  pool.create("/a")?.write(text("new"), 0);
  pool.rename(pool.find("/a") as never, "/b");
  // The file that was replaced is as it was before.
  const [number, bytes] = before[replaced?.number ?? 0] as (typeof before)[number];
  (directory.files.get(number) as FileInMemory).bytes = bytes;
  directory.closeAll();
  const again = await directory.pool();
  expect([[...again.names()], content(again, "/b"), again.spare]).toEqual([["/b"], "new", 1]);
});

test("on a full disk what is there can be opened, also beside a file that was being added", async () => {
  const directory = new DirectoryInMemory();
  const pool = await directory.pool();
  await pool.refill(2);
  pool.create("/a")?.write(text("a"), 0);
  directory.isFull = true;
  await expect(pool.refill(4)).rejects.toMatchObject({ name: "QuotaExceededError" });
  expect(pool.create("/b")).not.toBe(undefined);
  directory.closeAll();
  const again = await directory.pool();
  expect([...again.names()].sort()).toEqual(["/a", "/b"]);
  expect(directory.files.size).toBe(2);
});

test("a file whose slots are damaged keeps its content and is not used", async () => {
  const directory = new DirectoryInMemory();
  const pool = await directory.pool();
  await pool.refill(1);
  pool.create("/a")?.write(text("only copy"), 0);
  const [file] = directory.files.values() as unknown as [FileInMemory];
  file.bytes.fill(7, 0, 4096);
  directory.closeAll();
  const again = await directory.pool();
  await again.refill(2);
  expect([[...again.names()], again.spare, directory.files.size]).toEqual([[], 2, 3]);
  expect(new TextDecoder().decode(file.bytes.subarray(4096))).toBe("only copy");
});
