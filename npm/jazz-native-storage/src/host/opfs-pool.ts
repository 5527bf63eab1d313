/**
 * Files of a browser's private file system that are open all the time, and under which the names of a file system are.
 *
 * A file there can be opened exclusively, and only asynchronously; then it is read and written synchronously. So a pool
 * keeps all its files open, with some to spare, and gives out a free one when a name is created. A pool is one directory;
 * its files have numbers for names. What a file is stands in its first 4096 bytes (docs/design.md, section 11): two slots,
 * written in turn, of which the valid one of the higher generation counts. So names change as a whole or not at all, and
 * writing them needs no room that the file does not have already, even if the quota is used up.
 *
 * - A name that two files have, after an interrupted renaming, is that of the higher generation.
 * - A file that is given up has no name from then on; its bytes go when the last who has it open is done.
 * - Chromium sets room of the quota aside for a file that has grown since it was opened. It is given back by opening the file
 *   anew, once it does not grow any more.
 * - A file with content that does not say what it is, is damaged: nobody touches it.
 * - What a flush promises is the browser's: of a file its bytes and its name.
 */
import { crc32c } from "./checksum.js";

/** What this needs of `FileSystemSyncAccessHandle`, which not all type libraries have. */
export interface SyncHandle {
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  getSize(): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** A file that may be opened so; browsers without it lack the method. */
export interface SyncFileHandle {
  createSyncAccessHandle?(): Promise<SyncHandle>;
}

/** Bytes of a file before its content. */
export const HEADER_BYTES = 4096;
const SLOT_BYTES = HEADER_BYTES / 2;
/** Magic, version, generation, length of the name. */
const NAME_AT = 24;
const CHECKSUM_BYTES = 4;
const MAX_NAME_BYTES = SLOT_BYTES - NAME_AT - CHECKSUM_BYTES;
const MAGIC = new TextEncoder().encode("JAZZOPF\0");
const VERSION = 1;

/** Free files that are kept when a pool is opened. */
const MOST_SPARE = 32;

/** For how long a file is waited for that another context has not let go of yet. */
const RETRY_MS = [5, 10, 20, 40, 80, 160, 320, 640, ...Array<number>(9).fill(1000)];

/** An open file of the pool. */
export class PoolFile {
  /** Empty while it is free. */
  name = "";
  /** Bytes of its content. */
  size: number;
  /** How many have it open. */
  users = 0;
  /** The slot written last, and its generation. */
  slot = 1;
  generation = 0;
  /** Whether it has grown since it was opened; and since it was last looked at. */
  hasGrown = false;
  isGrowing = false;

  constructor(
    readonly number: number,
    public handle: SyncHandle,
  ) {
    this.size = Math.max(0, handle.getSize() - HEADER_BYTES);
  }

  read(bytes: Uint8Array, offset: number): number {
    if (offset >= this.size) return 0;
    return this.handle.read(bytes, { at: HEADER_BYTES + offset });
  }

  write(bytes: Uint8Array, offset: number): number {
    const written = this.handle.write(bytes, { at: HEADER_BYTES + offset });
    if (written > 0 && offset + written > this.size) {
      this.size = offset + written;
      this.hasGrown = true;
      this.isGrowing = true;
    }
    return written;
  }

  truncate(size: number): void {
    if (size === this.size) return;
    this.handle.truncate(HEADER_BYTES + size);
    if (size > this.size) this.hasGrown = true;
    this.size = size;
  }
}

export class OpfsPool {
  readonly #files = new Set<PoolFile>();
  readonly #named = new Map<string, PoolFile>();
  readonly #free: PoolFile[] = [];
  /** Files whose names have changed since they were flushed. */
  readonly #renamed = new Set<PoolFile>();
  #generation = 0;
  #nextNumber = 0;
  #refilling: Promise<void> | undefined;
  #closed = false;

  private constructor(private readonly directory: FileSystemDirectoryHandle) {}

  /**
   * Opens all files of a directory. Fails with `NoModificationAllowedError` if somebody has one of them open and keeps it
   * for some seconds.
   */
  static async open(directory: FileSystemDirectoryHandle): Promise<OpfsPool> {
    const pool = new OpfsPool(directory);
    try {
      await pool.#openAll();
    } catch (error) {
      pool.close();
      throw error;
    }
    return pool;
  }

  /** Files without a name, for names that are created. */
  get spare(): number {
    return this.#free.length;
  }

  names(): IterableIterator<string> {
    return this.#named.keys();
  }

  find(name: string): PoolFile | undefined {
    return this.#named.get(name);
  }

  /** Gives a free file a name that none has. Nothing if no file is free. */
  create(name: string): PoolFile | undefined {
    const file = this.#free.pop();
    if (!file) return undefined;
    try {
      file.truncate(0);
      this.#setName(file, name);
    } catch (error) {
      this.#free.push(file);
      throw error;
    }
    return file;
  }

  /** Gives a file another name, and takes it from the one that has it. */
  rename(file: PoolFile, name: string): void {
    const replaced = this.#named.get(name);
    if (replaced === file) return;
    this.#setName(file, name);
    if (replaced) this.#giveUp(replaced);
  }

  /** Takes the name of a file. */
  remove(file: PoolFile): void {
    this.#giveUp(file);
  }

  /** Called when one who had a file open is done. */
  release(file: PoolFile): void {
    file.users--;
    this.#reclaim(file);
  }

  /** Makes names durable. */
  syncNames(): void {
    for (const file of this.#renamed) {
      file.handle.flush();
      this.#renamed.delete(file);
    }
  }

  /** Sees to it that so many files are to spare. */
  async refill(spare: number): Promise<void> {
    while (!this.#closed && this.#free.length < spare) {
      this.#refilling ??= this.#add(spare - this.#free.length).finally(() => {
        this.#refilling = undefined;
      });
      await this.#refilling;
    }
  }

  /** Whether `settle` has something to do. */
  get isUnsettled(): boolean {
    for (const file of this.#files) if (file.hasGrown) return true;
    return false;
  }

  /**
   * Opens anew what has grown, and has not since the last call. Nobody may use the files meanwhile. If it fails, the pool
   * cannot be used any more.
   */
  async settle(): Promise<void> {
    const settled = [...this.#files].filter((file) => file.hasGrown && !file.isGrowing);
    for (const file of this.#files) file.isGrowing = false;
    for (const file of settled) {
      file.handle.flush();
      this.#renamed.delete(file);
      file.handle.close();
      file.handle = await openHandle(await this.#entry(file.number));
      file.hasGrown = false;
    }
  }

  /** Lets go of all files. */
  close(): void {
    this.#closed = true;
    for (const file of this.#files) file.handle.close();
    this.#files.clear();
    this.#named.clear();
    this.#free.length = 0;
  }

  async #openAll(): Promise<void> {
    const opening: Promise<PoolFile>[] = [];
    const entries = this.directory as unknown as AsyncIterable<[string, FileSystemHandle]>;
    for await (const [name, entry] of entries) {
      if (!/^\d+$/.test(name) || entry.kind !== "file") continue;
      this.#nextNumber = Math.max(this.#nextNumber, Number(name) + 1);
      opening.push(open(entry as unknown as SyncFileHandle, Number(name)));
    }
    const opened = await Promise.allSettled(opening);
    for (const result of opened) if (result.status === "fulfilled") this.#files.add(result.value);
    const failed = opened.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    const unfinished = [...this.#files].filter((file) => !this.#enter(file));
    // A store that has become smaller does not keep all files that it had.
    for (const file of [...unfinished, ...this.#free.splice(MOST_SPARE)]) {
      this.#files.delete(file);
      this.#renamed.delete(file);
      file.handle.close();
      await this.directory.removeEntry(String(file.number));
    }
  }

  /** False for a file whose context ended while it was being added: it has nothing, and may not get room for its slots. */
  #enter(file: PoolFile): boolean {
    const found = readSlots(file.handle);
    if (!found) return file.size > 0;
    this.#generation = Math.max(this.#generation, found.generation);
    file.slot = found.slot;
    file.generation = found.generation;
    file.name = found.name;
    const other = file.name === "" ? undefined : this.#named.get(file.name);
    if (other && other.generation > file.generation) {
      this.#giveUp(file);
      return true;
    }
    if (file.name !== "") this.#named.set(file.name, file);
    if (other) this.#giveUp(other);
    this.#reclaim(file);
    return true;
  }

  async #add(count: number): Promise<void> {
    const adding: Promise<PoolFile>[] = [];
    for (let n = 0; n < count; n++) adding.push(this.#addOne(this.#nextNumber++));
    const added = await Promise.allSettled(adding);
    for (const result of added) if (result.status === "fulfilled") this.#take(result.value);
    const failed = added.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  async #addOne(number: number): Promise<PoolFile> {
    const entry = await this.#entry(number, true);
    const file = await open(entry, number);
    try {
      // Room for both slots, so that names need none later.
      file.handle.truncate(HEADER_BYTES);
      this.#write(file, "");
    } finally {
      this.#renamed.delete(file);
      file.handle.close();
    }
    file.handle = await openHandle(entry);
    return file;
  }

  async #entry(number: number, create = false): Promise<SyncFileHandle> {
    return (await this.directory.getFileHandle(String(number), { create })) as unknown as SyncFileHandle;
  }

  #take(file: PoolFile): void {
    if (this.#closed) {
      file.handle.close();
      return;
    }
    this.#files.add(file);
    this.#free.push(file);
  }

  #setName(file: PoolFile, name: string): void {
    this.#write(file, name);
    if (this.#named.get(file.name) === file) this.#named.delete(file.name);
    file.name = name;
    this.#named.set(name, file);
  }

  #giveUp(file: PoolFile): void {
    this.#write(file, "");
    if (this.#named.get(file.name) === file) this.#named.delete(file.name);
    file.name = "";
    this.#reclaim(file);
  }

  #reclaim(file: PoolFile): void {
    if (file.users > 0 || file.name !== "" || this.#closed) return;
    file.truncate(0);
    this.#free.push(file);
  }

  #write(file: PoolFile, name: string): void {
    const slot = 1 - file.slot;
    const bytes = slotBytes(name, this.#generation + 1);
    const written = file.handle.write(bytes, { at: slot * SLOT_BYTES });
    if (written !== bytes.length) throw new DOMException("a name was written in part", "QuotaExceededError");
    file.slot = slot;
    file.generation = ++this.#generation;
    this.#renamed.add(file);
  }
}

/** Whether a name is short enough. */
export function fits(name: string): boolean {
  return new TextEncoder().encode(name).length <= MAX_NAME_BYTES;
}

async function open(entry: SyncFileHandle, number: number): Promise<PoolFile> {
  return new PoolFile(number, await openHandle(entry));
}

async function openHandle(entry: SyncFileHandle): Promise<SyncHandle> {
  if (!entry.createSyncAccessHandle) {
    throw new DOMException("this context has no synchronous file handles", "NotSupportedError");
  }
  for (let attempt = 0; ; attempt++) {
    try {
      return await entry.createSyncAccessHandle();
    } catch (error) {
      // A context that has just ended may hold its files a moment longer.
      const delay = RETRY_MS[attempt];
      const isTaken = error instanceof DOMException && error.name === "NoModificationAllowedError";
      if (!isTaken || delay === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}

interface Slot {
  readonly slot: number;
  readonly generation: number;
  readonly name: string;
}

function slotBytes(name: string, generation: number): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  const nameBytes = new TextEncoder().encode(name);
  bytes.set(MAGIC, 0);
  view.setUint32(8, VERSION, true);
  view.setBigUint64(12, BigInt(generation), true);
  view.setUint32(20, nameBytes.length, true);
  bytes.set(nameBytes, NAME_AT);
  const end = SLOT_BYTES - CHECKSUM_BYTES;
  view.setUint32(end, crc32c(bytes.subarray(0, end)), true);
  return bytes;
}

/** The slot that counts; nothing if none is valid. */
function readSlots(handle: SyncHandle): Slot | undefined {
  const bytes = new Uint8Array(HEADER_BYTES);
  if (handle.read(bytes, { at: 0 }) !== HEADER_BYTES) bytes.fill(0);
  const slots = [0, 1].map((slot) =>
    readSlot(bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES), slot),
  );
  const [one, other] = slots;
  if (!one || !other) return one ?? other;
  return one.generation > other.generation ? one : other;
}

function readSlot(bytes: Uint8Array, slot: number): Slot | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = SLOT_BYTES - CHECKSUM_BYTES;
  if (MAGIC.some((byte, at) => bytes[at] !== byte)) return undefined;
  if (view.getUint32(end, true) !== crc32c(bytes.subarray(0, end))) return undefined;
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new DOMException(
      `a file of the store has version ${version}; this build knows ${VERSION}`,
      "VersionError",
    );
  }
  const name = bytes.subarray(NAME_AT, NAME_AT + view.getUint32(20, true));
  return { slot, generation: Number(view.getBigUint64(12, true)), name: new TextDecoder().decode(name) };
}
