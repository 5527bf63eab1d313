/** The options of a store: their types, and their validation before anything is opened. */
import { NativeStorageError, type NativeStorageErrorCode } from "./errors.js";
import type { Durability, StorageEvent } from "./generated/native.js";

export type { Durability };

/** Whether callbacks run before a method returns (`sync`) or later, with the work off the JavaScript thread (`async`). */
export type Flavour = "sync" | "async";

/** Tells that a store no longer keeps what it promised. */
export interface DegradedEvent {
  readonly code: NativeStorageErrorCode;
  readonly message: string;
  readonly error: NativeStorageError;
}

/** What happens to the engine itself, where it runs in another context. */
export interface HostingEvent {
  /** It has died and was started again; what it had not answered is done by the new one. */
  readonly kind: "engine_restarted";
  /** Why it died. */
  readonly message: string;
}

/** In browsers: what cojson-storage-indexeddb had stored is being moved into the engine, or has been. */
export interface MigrationEvent {
  readonly kind: "migrating" | "migrated";
  /** Values copied and compared, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Ids of values that the engine does not have as they are in IndexedDB, which keeps them. */
  readonly incomplete: readonly string[];
  readonly message: string;
}

/** In browsers, with `persist`: whether the browser has promised not to evict what this origin stores. */
export interface PersistenceEvent {
  readonly kind: "persistence";
  readonly granted: boolean;
  readonly message: string;
}

/** What `onEvent` is told. */
export type NativeStorageEvent = StorageEvent | HostingEvent | MigrationEvent | PersistenceEvent;

/** In browsers: where a storage keeps what it stores. */
export type Backing = "opfs" | "indexeddb" | "memory";

/** In browsers: what takes the engine's place where it cannot run. */
export type Fallback = "best" | "indexeddb" | "memory" | "none";

/** In browsers: that the engine cannot run here, and what was taken instead. */
export interface FallbackEvent {
  readonly code: NativeStorageErrorCode;
  /** What the browser lacks. */
  readonly message: string;
  readonly chosen: "indexeddb" | "memory";
  /** Whether the engine has a store of this name, whose content cannot be seen here. */
  readonly hidesStore: boolean;
}

/** Who is told what happens to a store. */
export interface Listeners {
  /**
   * Called once, when an operation has failed in a way that means this store no longer keeps what it promised (disk full,
   * a failed write, damaged data, …), or the engine has failed so between operations. Every such failure is also thrown
   * or logged.
   */
  readonly onDegraded?: (event: DegradedEvent) => void;
  /**
   * Called when the store changes its condition: writes are refused from now on, merging rests or goes on; in a browser
   * also when the engine had to be started again, and how a migration goes.
   */
  readonly onEvent?: (event: NativeStorageEvent) => void;
}

/** How much memory and how large files a store takes. */
export interface Sizes {
  /** Bytes of memory for cached index blocks and pieces of the log. Default: chosen by the platform. */
  readonly cacheBytes?: number;
  /** Size in bytes at which a log segment is sealed and a new one begun. Default: chosen by the platform. */
  readonly segmentBytes?: number;
  /**
   * Bytes of index rows in memory at which they are written out, while others take their place. Default: chosen by the
   * platform.
   */
  readonly deltaBytes?: number;
  /** Bytes of memory to read ahead while layers of the index are merged. Default: chosen by the platform. */
  readonly bufferBytes?: number;
}

/** How much a store in memory may hold. */
export interface Bounded {
  /**
   * In memory only: bytes that what is stored may take. What would exceed it fails with `DISK_FULL`. Default: no bound, but in
   * a Worker 32 MiB.
   */
  readonly maxBytes?: number;
}

export interface NativeStorageOptions extends Listeners, Sizes, Bounded {
  /** Not in browsers: the directory of the store, created if absent. Required unless `durability` is `"memory"`. */
  readonly path?: string;
  /** In browsers: the name of the database, of which an origin has any number. Default: `"jazz-storage"`. */
  readonly dbName?: string;
  /** Default: `"sync"`; in browsers there is `"async"` only. */
  readonly flavour?: Flavour;
  /** Default: `"relaxed"`. */
  readonly durability?: Durability;
  /**
   * In browsers: what takes the engine's place where the browser lacks what it needs. `"best"` is IndexedDB, or else memory.
   * Default: `"best"`; with durability `"strict"`, which IndexedDB cannot give, or where there is a store of this name, `"none"`.
   */
  readonly fallback?: Fallback;
  /** In browsers: called before `createNativeStorage` resolves with something else than the engine. */
  readonly onFallback?: (event: FallbackEvent) => void;
  /** In browsers: whether to move in what IndexedDB has under the name of the database. Default: true. */
  readonly migrate?: boolean;
  /** In browsers: whether to ask the browser not to evict what this origin stores. Default: false. */
  readonly persist?: boolean;
}

const FLAVOURS: readonly string[] = ["sync", "async"] satisfies Flavour[];
const DURABILITIES: readonly string[] = ["relaxed", "strict", "memory"] satisfies Durability[];
/** What every platform's stores take. */
const SIZES = ["maxBytes", "cacheBytes", "segmentBytes", "deltaBytes", "bufferBytes"] as const satisfies (
  | keyof Sizes
  | keyof Bounded
)[];
const LISTENERS = ["onDegraded", "onEvent"] as const satisfies (keyof Listeners)[];
/** Those of stores that need no place. */
export const PLACELESS: readonly string[] = [...SIZES, ...LISTENERS];
/** What only stores in browsers take. */
const IN_BROWSERS = [
  "dbName",
  "fallback",
  "onFallback",
  "migrate",
  "persist",
] as const satisfies (keyof NativeStorageOptions)[];
/** All there are, on any platform. */
const NAMES: readonly string[] = [
  "path",
  ...IN_BROWSERS,
  "flavour",
  "durability",
  ...SIZES,
  ...LISTENERS,
] satisfies (keyof NativeStorageOptions)[];

/** Throws `INVALID_OPTION`, naming the option and what it allows, unless `options` can be used. */
export function validateOptions(options: unknown): asserts options is NativeStorageOptions {
  const given = checkShared(options, '{ path: "./data/jazz" }');
  if (given.dbName !== undefined) {
    throw invalid("dbName", "names a database of a browser; here a store has a path");
  }
  for (const name of IN_BROWSERS) {
    if (given[name] !== undefined) throw invalid(name, "is for stores in browsers");
  }
  oneOf("flavour", given.flavour, FLAVOURS);
  if (given.path === undefined) {
    if (given.durability !== "memory") {
      throw invalid("path", 'is required, except with durability "memory"');
    }
  } else {
    checkPath("path", given.path);
  }
}

/** Checks that there are no options but these, by default those that any platform knows, and those that all stores have. */
export function checkShared(
  options: unknown,
  example: string,
  names: readonly string[] = NAMES,
): Record<string, unknown> {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalid("options", `must be an object such as ${example}, not ${describe(options)}`);
  }
  const given = options as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) {
      throw invalid(name, `is unknown; the options are ${names.join(", ")}`);
    }
  }
  oneOf("durability", given.durability, DURABILITIES);
  for (const name of SIZES) bytes(name, given[name]);
  for (const name of LISTENERS) listener(name, given[name]);
  return given;
}

/** Throws `INVALID_OPTION` unless `path` can name something. */
export function checkPath(option: string, path: unknown): asserts path is string {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw invalid(option, `must be a path, not ${describe(path)}`);
  }
}

export function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value as string)) {
    throw invalid(name, `must be one of ${allowed.map(describe).join(", ")}, not ${describe(value)}`);
  }
}

export function listener(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw invalid(name, `must be a function, not ${describe(value)}`);
  }
}

function bytes(name: string, value: unknown): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) > 0)) {
    throw invalid(name, `must be a positive whole number of bytes, not ${describe(value)}`);
  }
}

export function trueOrFalse(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw invalid(name, `must be true or false, not ${describe(value)}`);
  }
}

export function invalid(option: string, detail: string): NativeStorageError {
  return new NativeStorageError("INVALID_OPTION", `option ${option}: ${detail}`);
}

export function describe(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
