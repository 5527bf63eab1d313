/**
 * The file system of Node as the host of the WebAssembly module, with the guarantees of the engine's own
 * (storage-core/src/file/std_fs.rs).
 *
 * - What a completed sync promises is durable: on Linux `fdatasync`, which writes the size with the bytes; elsewhere `fsync`,
 *   which on Apple systems reaches past the drive's cache.
 * - Windows has no sync of a directory: its file systems log changes of names themselves.
 * - Files are the descriptors of the process.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Host, HostEntry, HostOpenMode } from "./host.js";
import { readHolder, type StoreLock, takeLock } from "./node-lock.js";

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = constants;

/** By {@link HostOpenMode}. */
const FLAGS = [O_RDONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL] as const;

/** Node's file system. */
export class NodeHost implements Host {
  readonly #locks = new Map<number, StoreLock>();
  #lastLock = 0;

  realPath(path: string): string {
    const real = realpathSync(path);
    return process.platform === "win32" ? real.replaceAll("\\", "/") : real;
  }

  entry(path: string): HostEntry | undefined {
    try {
      return statSync(path).isDirectory() ? "directory" : "file";
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  list(path: string): string[] {
    return readdirSync(path);
  }

  createDirectory(path: string): void {
    mkdirSync(path, { recursive: true });
  }

  removeDirectory(path: string): void {
    rmdirSync(path);
  }

  syncDirectory(path: string): void {
    if (process.platform === "win32") return;
    const directory = openSync(path, O_RDONLY);
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }

  rename(from: string, to: string): void {
    renameSync(from, to);
  }

  remove(path: string): void {
    unlinkSync(path);
  }

  open(path: string, mode: HostOpenMode): number {
    return openSync(path, FLAGS[mode]);
  }

  close(file: number): void {
    closeSync(file);
  }

  read(file: number, bytes: Uint8Array, offset: number): number {
    return readSync(file, bytes, 0, bytes.length, offset);
  }

  write(file: number, bytes: Uint8Array, offset: number): number {
    return writeSync(file, bytes, 0, bytes.length, offset);
  }

  size(file: number): number {
    return fstatSync(file).size;
  }

  truncate(file: number, size: number): void {
    ftruncateSync(file, size);
  }

  sync(file: number): void {
    if (process.platform === "linux") fdatasyncSync(file);
    else fsyncSync(file);
  }

  lock(path: string): number | undefined {
    const lock = takeLock(path);
    if (!lock) return undefined;
    this.#lastLock++;
    this.#locks.set(this.#lastLock, lock);
    return this.#lastLock;
  }

  holder(path: string): number | undefined {
    return readHolder(path);
  }

  unlock(lock: number): void {
    this.#locks.get(lock)?.release();
    this.#locks.delete(lock);
  }
}
