/**
 * The package as the tests import it, in workerd: a path is the name of a store in memory, so that one that is closed and
 * opened again is the same store, as it is in files.
 */
import { openInMemory } from "../../src/edge/engine.js";
import type { NativeStorage } from "../../src/generated/native.js";
import type { JazzNativeStorage, NativeStorageOptions } from "../../src/index.js";
import { NativeStorageAsync } from "../../src/storage-async.js";
import { NativeStorageSync } from "../../src/storage-sync.js";

export { NativeStorageError } from "../../src/errors.js";
export type * from "../../src/index.js";

/** The tests are about what stores do, not about where they end. */
const LARGE = 1024 * 1024 * 1024;

const stores = new Map<string, NativeStorage>();

export async function createNativeStorage({
  path = crypto.randomUUID(),
  flavour,
  durability: _,
  onDegraded,
  onEvent,
  ...sizes
}: NativeStorageOptions): Promise<JazzNativeStorage> {
  const store = stores.get(path) ?? openInMemory({ maxBytes: LARGE, ...sizes });
  stores.set(path, store);
  const listeners = { onDegraded, onEvent };
  return flavour === "async"
    ? new NativeStorageAsync(store, listeners)
    : new NativeStorageSync(store, listeners);
}
