/**
 * The file system that a host gives to the WebAssembly module of the engine, with `setHost`. The module does all its I/O
 * through it (storage-core/src/file/host.rs), so it keeps there whatever the engine promises.
 *
 * What holds for all methods:
 * - they are synchronous, and none calls into the module;
 * - paths are those the application gave, with `/` between names, on Windows too;
 * - a failure is thrown, with the `code` of Node's errors or the `name` of a browser's `DOMException`, by which the module
 *   knows a full disk, a missing right and a file in the place of a directory;
 * - bytes are a view of the module's memory, valid during the call.
 */
export interface Host {
  /** The path of a directory, the same however the directory is named. It must exist. */
  realPath(path: string): string;
  /** What is at a path, links followed; nothing if nothing is there. `"file"` is anything that is no directory. */
  entry(path: string): HostEntry | undefined;
  /** The names in a directory, in no particular order. */
  list(path: string): string[];
  /** Creates a directory and those above it that are missing. */
  createDirectory(path: string): void;
  /** Removes a directory, if it is empty. */
  removeDirectory(path: string): void;
  /** Makes durable what was created, renamed and removed in a directory. */
  syncDirectory(path: string): void;
  /** Renames a file in its directory, replacing one of the new name. */
  rename(from: string, to: string): void;
  /** Removes a file. Those who have it open go on. */
  remove(path: string): void;

  /** Opens a file and gives the number that stands for it from then on. */
  open(path: string, mode: HostOpenMode): number;
  close(file: number): void;
  /** Reads at an offset and gives how many bytes it were: at least one, unless the file ends there. */
  read(file: number, bytes: Uint8Array, offset: number): number;
  /** Writes at an offset, out of this process, and gives how many bytes it were: at least one. */
  write(file: number, bytes: Uint8Array, offset: number): number;
  /** The size of a file in bytes. */
  size(file: number): number;
  /** Cuts or extends (with zeros) a file. */
  truncate(file: number, size: number): void;
  /** Makes durable what was written to a file. */
  sync(file: number): void;

  /**
   * Takes a directory, by its file `LOCK`, and gives the number that stands for the lock; nothing if it is taken, by
   * another process or in this one. A lock ends with the process.
   */
  lock(path: string): number | undefined;
  /** The id of the process that holds a directory, if it is known. */
  holder(path: string): number | undefined;
  unlock(lock: number): void;
}

export type HostEntry = "file" | "directory";

/** How a file is opened: to be read; to be read and written; to be read and written, and it must not exist before. */
export const HOST_OPEN_MODES = { read: 0, readWrite: 1, createNew: 2 } as const;

export type HostOpenMode = (typeof HOST_OPEN_MODES)[keyof typeof HOST_OPEN_MODES];
