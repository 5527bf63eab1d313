/** Native storage for Jazz: a `StorageAPI` for cojson over a storage engine written for it. */
import { NativeStorageError, toNativeStorageError } from "./errors.js";
import type { BackupResult, NativeStorage, OpenOptions, RepairReport } from "./generated/native.js";
import type { JazzNativeStorage } from "./jazz-native-storage.js";
import { loadBinding } from "./native-node.js";
import { checkPath, describe, invalid, type NativeStorageOptions, validateOptions } from "./options.js";
import { NativeStorageAsync } from "./storage-async.js";
import { NativeStorageSync } from "./storage-sync.js";
import { checkLocation, type RepairOptions, type RestoreOptions, watched } from "./upkeep.js";

export type { BindingErrorCode, EngineErrorCode, NativeStorageErrorCode } from "./errors.js";
export type {
  BackupResult,
  Damage,
  LostSession,
  RepairReport,
  StorageEvent,
  StorageStats,
  TaskProgress as Progress,
  VerifyReport,
} from "./generated/native.js";
export type { CoValueReport, SessionReport } from "./inspect.js";
export type { Hosting, JazzNativeStorage, OriginUsage } from "./jazz-native-storage.js";
export type {
  Backing,
  DegradedEvent,
  Durability,
  Fallback,
  FallbackEvent,
  Flavour,
  HostingEvent,
  MigrationEvent,
  NativeStorageEvent,
  NativeStorageOptions,
  PersistenceEvent,
} from "./options.js";
export type { BackupLocation, RepairOptions, RestoreOptions, UpkeepOptions } from "./upkeep.js";
export { NativeStorageError };

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

/** Makes a store of a backup, checks all of it, and leaves it closed. Rejects with a {@link NativeStorageError}. */
export async function restoreBackup(options: RestoreOptions): Promise<BackupResult> {
  if (typeof options !== "object" || options === null) {
    throw invalid("options", `must be an object with from and path, not ${describe(options)}`);
  }
  const { from, path, dbName } = options;
  if (dbName !== undefined) throw invalid("dbName", "names a database of a browser; here a store has a path");
  const location = checkLocation("from", from);
  checkPath("path", path);
  const binding = loadBinding();
  return await watched(new binding.StorageTask(), options, (task) =>
    binding.restoreBackupAsync(location, path, task),
  );
}

/**
 * Repairs a damaged store that nobody has open: afterwards it opens, and holds everything that can be kept. Sessions end
 * at their last good signature, so that a node gets the rest from its peers again. Rejects with a
 * {@link NativeStorageError}; the store is then as it was.
 */
export async function repairNativeStorage(options: RepairOptions): Promise<RepairReport> {
  if (typeof options !== "object" || options === null) {
    throw invalid("options", `must be an object with path, not ${describe(options)}`);
  }
  const { path } = options;
  checkPath("path", path);
  const binding = loadBinding();
  return await watched(new binding.StorageTask(), options, (task) => binding.repairAsync(path, task));
}

/**
 * In browsers: deletes the IndexedDB database of this name, once all of it was moved into the engine. Rejects with a
 * {@link NativeStorageError} if it was not, unless `force` is set. Rejects on other platforms.
 */
export async function dropFallback(_dbName?: string, _options?: { readonly force?: boolean }): Promise<void> {
  throw new NativeStorageError("UNAVAILABLE", "there is no IndexedDB here");
}

function openOptions({
  path,
  durability,
  maxBytes,
  cacheBytes,
  segmentBytes,
  deltaBytes,
  bufferBytes,
}: NativeStorageOptions): OpenOptions {
  return { path, durability, maxBytes, cacheBytes, segmentBytes, deltaBytes, bufferBytes };
}

function wrap(native: NativeStorage, { flavour, ...listeners }: NativeStorageOptions): JazzNativeStorage {
  return flavour === "async"
    ? new NativeStorageAsync(native, listeners)
    : new NativeStorageSync(native, listeners);
}
