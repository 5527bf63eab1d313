/**
 * A browser's private file system as the host of the WebAssembly module: paths over the files of pools, each mounted as a
 * directory of the root.
 *
 * - What a completed sync promises is durable: the browser's `flush`, of which Chromium's reaches past the drive's cache on
 *   Apple systems, and Safari's does not.
 * - The names that a pool keeps are paths from its directory on. A directory is there because something in it is, or
 *   because it was created since the pool was mounted: an empty one is not kept.
 * - A lock excludes others on this host; other contexts cannot have the pool open in the first place.
 * - Creating files takes one of the pool to spare. Whoever calls into the module sees to it that there are some.
 */
import { HOST_OPEN_MODES, type Host, type HostEntry, type HostOpenMode } from "./host.js";
import { fits } from "./opfs-pool.js";

/** A file as this needs it; see `PoolFile`. */
export interface MountedFile {
  readonly size: number;
  users: number;
  readonly handle: { flush(): void };
  read(bytes: Uint8Array, offset: number): number;
  write(bytes: Uint8Array, offset: number): number;
  truncate(size: number): void;
}

/** What can be a directory of the root; see `OpfsPool`. */
export interface Mounted {
  names(): Iterable<string>;
  find(name: string): MountedFile | undefined;
  create(name: string): MountedFile | undefined;
  rename(file: MountedFile, name: string): void;
  remove(file: MountedFile): void;
  release(file: MountedFile): void;
  syncNames(): void;
}

/** An error as Node has it: the module goes by the code. */
class HostError extends Error {
  constructor(
    readonly code:
      | "ENOENT"
      | "EEXIST"
      | "EACCES"
      | "ENOTDIR"
      | "EISDIR"
      | "ENOTEMPTY"
      | "ENAMETOOLONG"
      | "ENOSPC"
      | "EBADF",
    message: string,
  ) {
    super(message);
  }
}

export class OpfsHost implements Host {
  readonly #pools = new Map<string, Mounted>();
  readonly #open = new Map<number, Opened>();
  readonly #directories = new Set<string>(["/"]);
  readonly #locked = new Map<number, string>();
  #lastNumber = 0;

  /** Makes a pool the directory of this name. */
  mount(directory: string, pool: Mounted): void {
    this.#pools.set(directory, pool);
    this.#directories.add(`/${directory}`);
  }

  realPath(path: string): string {
    const real = resolve(path);
    this.#checkDirectory(real);
    return real;
  }

  entry(path: string): HostEntry | undefined {
    return this.#entry(resolve(path));
  }

  list(path: string): string[] {
    const directory = resolve(path);
    this.#checkDirectory(directory);
    const names = new Set<string>();
    for (const known of [...this.#paths(), ...this.#directories]) {
      const rest = below(known, directory);
      if (rest) names.add(rest.split("/", 1)[0] as string);
    }
    return [...names];
  }

  createDirectory(path: string): void {
    const directories: string[] = [];
    for (let directory = resolve(path); directory !== "/"; directory = parent(directory)) {
      if (this.#entry(directory) === "file") throw new HostError("ENOTDIR", `${directory} is a file`);
      checkLength(directory);
      directories.push(directory);
    }
    for (const directory of directories) this.#directories.add(directory);
  }

  removeDirectory(path: string): void {
    const directory = resolve(path);
    if (this.list(directory).length > 0) throw new HostError("ENOTEMPTY", `${directory} is not empty`);
    this.#directories.delete(directory);
  }

  syncDirectory(path: string): void {
    const directory = resolve(path);
    this.#checkDirectory(directory);
    this.#pools.get(parts(directory).mount)?.syncNames();
  }

  rename(from: string, to: string): void {
    const { pool, name } = this.#place(to);
    pool.rename(this.#file(resolve(from)), name);
  }

  remove(path: string): void {
    const real = resolve(path);
    const { pool, name } = this.#place(real);
    const file = pool.find(name) ?? this.#file(real);
    // A directory does not go with its last file.
    this.#directories.add(parent(real));
    pool.remove(file);
  }

  open(path: string, mode: HostOpenMode): number {
    const { pool, name } = this.#place(path);
    const file =
      mode === HOST_OPEN_MODES.createNew
        ? this.#create(pool, name)
        : (pool.find(name) ?? this.#file(resolve(path)));
    file.users++;
    this.#open.set(++this.#lastNumber, { pool, file });
    return this.#lastNumber;
  }

  close(number: number): void {
    const { pool, file } = this.#opened(number);
    this.#open.delete(number);
    pool.release(file);
  }

  read(number: number, bytes: Uint8Array, offset: number): number {
    return this.#opened(number).file.read(bytes, offset);
  }

  write(number: number, bytes: Uint8Array, offset: number): number {
    return this.#opened(number).file.write(bytes, offset);
  }

  size(number: number): number {
    return this.#opened(number).file.size;
  }

  truncate(number: number, size: number): void {
    this.#opened(number).file.truncate(size);
  }

  sync(number: number): void {
    this.#opened(number).file.handle.flush();
  }

  lock(path: string): number | undefined {
    const directory = resolve(path);
    this.#checkDirectory(directory);
    for (const locked of this.#locked.values()) if (locked === directory) return undefined;
    // By this file a store is known to be still where it was opened.
    const { pool, name } = this.#place(`${directory}/LOCK`);
    if (!pool.find(name)) this.#create(pool, name);
    this.#locked.set(++this.#lastNumber, directory);
    return this.#lastNumber;
  }

  holder(_path: string): undefined {
    return undefined;
  }

  unlock(lock: number): void {
    this.#locked.delete(lock);
  }

  /** The paths of all files. */
  *#paths(): Generator<string> {
    for (const [directory, pool] of this.#pools) {
      for (const name of pool.names()) yield `/${directory}${name}`;
    }
  }

  #find(path: string): MountedFile | undefined {
    const { mount, name } = parts(path);
    return this.#pools.get(mount)?.find(name);
  }

  #entry(path: string): HostEntry | undefined {
    if (this.#find(path)) return "file";
    if (this.#directories.has(path)) return "directory";
    for (const known of this.#paths()) if (below(known, path)) return "directory";
    return undefined;
  }

  #checkDirectory(path: string): void {
    const entry = this.#entry(path);
    if (entry === "file") throw new HostError("ENOTDIR", `${path} is a file`);
    if (!entry) throw this.#missing(path);
  }

  #missing(path: string): HostError {
    for (let above = path; above !== "/"; above = parent(above)) {
      if (this.#find(above)) return new HostError("ENOTDIR", `${above} is a file`);
    }
    return new HostError("ENOENT", `there is no ${path}`);
  }

  #file(path: string): MountedFile {
    const file = this.#find(path);
    if (file) return file;
    throw this.#entry(path) ? new HostError("EISDIR", `${path} is a directory`) : this.#missing(path);
  }

  /** Where a file is or could be: in a directory that is there, under a name that is no directory. */
  #place(path: string): { pool: Mounted; name: string } {
    const real = resolve(path);
    this.#checkDirectory(parent(real));
    if (!this.#find(real) && this.#entry(real)) throw new HostError("EISDIR", `${real} is a directory`);
    const { mount, name } = parts(real);
    const pool = this.#pools.get(mount);
    if (!pool) throw new HostError("EACCES", `${real} is in no store's directory`);
    checkLength(real);
    if (!fits(name)) throw new HostError("ENAMETOOLONG", `${real} is too long`);
    return { pool, name };
  }

  #create(pool: Mounted, name: string): MountedFile {
    if (pool.find(name)) throw new HostError("EEXIST", `${name} exists`);
    const file = pool.create(name);
    // Further ones can only be had between two operations.
    if (!file) throw new HostError("ENOSPC", `no file is to spare for ${name}`);
    return file;
  }

  #opened(number: number): Opened {
    const opened = this.#open.get(number);
    if (!opened) throw new HostError("EBADF", `no file is open as ${number}`);
    return opened;
  }
}

/** As long as the last name of a path may be elsewhere, so that a store can go there. */
const MOST_NAME_CHARACTERS = 255;

function checkLength(path: string): void {
  const characters = path.length - path.lastIndexOf("/") - 1;
  if (characters > MOST_NAME_CHARACTERS)
    throw new HostError("ENAMETOOLONG", `${path} has a name that is too long`);
}

interface Opened {
  readonly pool: Mounted;
  readonly file: MountedFile;
}

/** A path from the root, without what does not lead further. */
function resolve(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The directory of the root that a path lies in, and its name there. */
function parts(path: string): { mount: string; name: string } {
  const end = path.indexOf("/", 1);
  return end < 0 ? { mount: path.slice(1), name: "/" } : { mount: path.slice(1, end), name: path.slice(end) };
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** The rest of a path that lies in a directory. */
function below(path: string, directory: string): string | undefined {
  const prefix = directory === "/" ? "/" : `${directory}/`;
  return path.startsWith(prefix) && path.length > prefix.length ? path.slice(prefix.length) : undefined;
}
