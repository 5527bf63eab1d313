/**
 * What the import for all platforms is in Cloudflare Workers. There are no files, so it has stores in memory, for those who
 * ask for `durability: "memory"`: to give these to anybody else would be to promise what is not kept.
 */
import { NativeStorageError } from "../errors.js";
import type { JazzNativeStorage } from "../jazz-native-storage.js";
import { checkShared, type NativeStorageOptions, oneOf } from "../options.js";
import { NativeStorageAsync } from "../storage-async.js";
import { NativeStorageSync } from "../storage-sync.js";
import type { RepairOptions, RestoreOptions } from "../upkeep.js";
import { openInMemory, unavailable } from "./engine.js";

export type { JazzNativeStorage } from "../jazz-native-storage.js";
export { NativeStorageError };

/** Opens a store in memory. Rejects with a {@link NativeStorageError}. */
export async function createNativeStorage(options: NativeStorageOptions): Promise<JazzNativeStorage> {
  return createNativeStorageSync(options);
}

/** Opens a store in memory. Throws a {@link NativeStorageError}. */
export function createNativeStorageSync(options: NativeStorageOptions): JazzNativeStorage {
  const { path, dbName, durability, flavour } = checkShared(options, '{ durability: "memory" }');
  oneOf("flavour", flavour, ["sync", "async"]);
  if (path !== undefined || dbName !== undefined || durability !== "memory") {
    throw unavailable(
      'a Worker has no files, and what it stores is gone with its isolate: give durability "memory" only if peers have ' +
        "everything (createWorkerStorage of jazz-native-storage/edge does the same)",
    );
  }
  const { path: _, dbName: __, flavour: ___, durability: ____, onDegraded, onEvent, ...sizes } = options;
  const native = openInMemory(sizes);
  const listeners = { onDegraded, onEvent };
  return flavour === "async"
    ? new NativeStorageAsync(native, listeners)
    : new NativeStorageSync(native, listeners);
}

/** Rejects: there are no paths in a Worker. */
export async function restoreBackup(_options: RestoreOptions): Promise<never> {
  throw unavailable("a Worker has no path to restore from");
}

/** Rejects: there are no paths in a Worker. */
export async function repairNativeStorage(_options: RepairOptions): Promise<never> {
  throw unavailable("a Worker has no path of a store to repair");
}
