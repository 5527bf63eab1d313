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

/** Who is told what happens to a store. */
export interface Listeners {
  /**
   * Called once, when an operation has failed in a way that means this store no longer keeps what it promised (disk full,
   * a failed write, damaged data, …), or the engine has failed so between operations. Every such failure is also thrown
   * or logged.
   */
  readonly onDegraded?: (event: DegradedEvent) => void;
  /** Called when the store changes its condition: writes are refused from now on, merging rests or goes on. */
  readonly onEvent?: (event: StorageEvent) => void;
}

export interface NativeStorageOptions extends Listeners {
  /** The directory of the store, created if absent. Required unless `durability` is `"memory"`. */
  readonly path?: string;
  /** Default: `"sync"`. */
  readonly flavour?: Flavour;
  /** Default: `"relaxed"`. */
  readonly durability?: Durability;
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

const FLAVOURS: readonly string[] = ["sync", "async"] satisfies Flavour[];
const DURABILITIES: readonly string[] = ["relaxed", "strict", "memory"] satisfies Durability[];
const NAMES: readonly string[] = [
  "path",
  "flavour",
  "durability",
  "cacheBytes",
  "segmentBytes",
  "deltaBytes",
  "bufferBytes",
  "onDegraded",
  "onEvent",
] satisfies (keyof NativeStorageOptions)[];

/** Throws `INVALID_OPTION`, naming the option and what it allows, unless `options` can be used. */
export function validateOptions(options: unknown): asserts options is NativeStorageOptions {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalid("options", `must be an object such as { path: "./data/jazz" }, not ${describe(options)}`);
  }
  const given = options as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!NAMES.includes(name)) {
      throw invalid(name, `is unknown; the options are ${NAMES.join(", ")}`);
    }
  }
  oneOf("flavour", given.flavour, FLAVOURS);
  oneOf("durability", given.durability, DURABILITIES);
  bytes("cacheBytes", given.cacheBytes);
  bytes("segmentBytes", given.segmentBytes);
  bytes("deltaBytes", given.deltaBytes);
  bytes("bufferBytes", given.bufferBytes);
  listener("onDegraded", given.onDegraded);
  listener("onEvent", given.onEvent);
  if (given.path === undefined) {
    if (given.durability !== "memory") {
      throw invalid("path", 'is required, except with durability "memory"');
    }
  } else {
    checkPath("path", given.path);
  }
}

/** Throws `INVALID_OPTION` unless `path` can name something. */
export function checkPath(option: string, path: unknown): asserts path is string {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw invalid(option, `must be a path, not ${describe(path)}`);
  }
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value as string)) {
    throw invalid(name, `must be one of ${allowed.map(describe).join(", ")}, not ${describe(value)}`);
  }
}

function listener(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw invalid(name, `must be a function, not ${describe(value)}`);
  }
}

function bytes(name: string, value: unknown): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) > 0)) {
    throw invalid(name, `must be a positive whole number of bytes, not ${describe(value)}`);
  }
}

export function invalid(option: string, detail: string): NativeStorageError {
  return new NativeStorageError("INVALID_OPTION", `option ${option}: ${detail}`);
}

export function describe(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
