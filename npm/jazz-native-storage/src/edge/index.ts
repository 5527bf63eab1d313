/**
 * Native storage for Jazz in Cloudflare Workers: in the memory of the isolate, and bounded. What makes data durable there is
 * that a node syncs it to its peers.
 */
import { NativeStorageError } from "../errors.js";
import { type Bounded, checkShared, type Listeners, PLACELESS, type Sizes } from "../options.js";
import { NativeStorageSync } from "../storage-sync.js";
import { openInMemory } from "./engine.js";

export type { NativeStorageErrorCode } from "../errors.js";
export type { StorageEvent, StorageStats } from "../generated/native.js";
export type { JazzNativeStorage } from "../jazz-native-storage.js";
export type { DegradedEvent, NativeStorageEvent } from "../options.js";
export type { NativeStorageSync };
export { NativeStorageError };

export interface WorkerStorageOptions extends Bounded, Listeners, Sizes {}

/**
 * Makes a new, empty store of its own, in the memory of this isolate. It is gone with the isolate, which may be at any time.
 * Throws a {@link NativeStorageError}. Like everything that needs random numbers, it cannot be called in the global scope of
 * a Worker, but only while it handles something.
 */
export function createWorkerStorage(options: WorkerStorageOptions = {}): NativeStorageSync {
  checkShared(options, "{ maxBytes: 33_554_432 }", PLACELESS);
  const { onDegraded, onEvent, ...sizes } = options;
  return new NativeStorageSync(openInMemory(sizes), { onDegraded, onEvent });
}
