/** Native storage for Jazz: a `StorageAPI` for cojson over a storage engine written for it. */
import type { RawCoID, StorageAPI } from "cojson";
import { NativeStorageError, toNativeStorageError } from "./errors.js";
import type { NativeOpenOptions, NativeStorage, StorageStats } from "./native.js";
import { loadBinding } from "./native-node.js";
import { type Flavour, type NativeStorageOptions, validateOptions } from "./options.js";
import { NativeStorageAsync } from "./storage-async.js";
import { NativeStorageSync } from "./storage-sync.js";

export type { BindingErrorCode, EngineErrorCode, NativeStorageErrorCode } from "./errors.js";
export type { StorageStats } from "./native.js";
export type { DegradedEvent, Durability, Flavour, NativeStorageOptions } from "./options.js";
export { NativeStorageError };

/** A storage for `node.setStorage`, with what the engine offers beyond cojson's interface. */
export interface JazzNativeStorage extends StorageAPI {
  readonly flavour: Flavour;
  /** Settles after `done`. It rejects if the value could not be read, which is logged as well. */
  load: (...parameters: Parameters<StorageAPI["load"]>) => Promise<void>;
  /** Figures about the store. */
  stats: () => Promise<StorageStats>;
  /** Resolves when everything stored so far survives a power cut, whatever the durability. */
  flush: () => Promise<void>;
  /** Ids of deleted values that are waiting for their content to be erased. */
  pendingDeletions: () => Promise<RawCoID[]>;
}

/** Opens a store, without blocking the JavaScript thread. Rejects with a {@link NativeStorageError}. */
export async function createNativeStorage(options: NativeStorageOptions): Promise<JazzNativeStorage> {
  validateOptions(options);
  const binding = loadBinding();
  try {
    return wrap(await binding.NativeStorage.openAsync(openOptions(options)), options);
  } catch (error) {
    throw toNativeStorageError(error);
  }
}

/** Opens a store before it returns. Throws a {@link NativeStorageError}. */
export function createNativeStorageSync(options: NativeStorageOptions): JazzNativeStorage {
  validateOptions(options);
  const binding = loadBinding();
  try {
    return wrap(binding.NativeStorage.open(openOptions(options)), options);
  } catch (error) {
    throw toNativeStorageError(error);
  }
}

function openOptions({
  path,
  durability,
  cacheBytes,
  segmentBytes,
}: NativeStorageOptions): NativeOpenOptions {
  return { path, durability, cacheBytes, segmentBytes };
}

function wrap(native: NativeStorage, { flavour, onDegraded }: NativeStorageOptions): JazzNativeStorage {
  return flavour === "async"
    ? new NativeStorageAsync(native, onDegraded)
    : new NativeStorageSync(native, onDegraded);
}
