/**
 * What takes the engine's place where the browser lacks what it needs.
 *
 * - Only a missing capability is a reason. A store that is locked, damaged, newer or full is an error: another storage would
 *   show an empty workspace.
 * - For the same reason nothing is opened beside a store that is there, but cannot be reached, as when a worker does not start,
 *   unless `fallback` says what.
 * - Nor is it one that a worker which cannot lead finds no page that does: the engine can run in this browser.
 * - Whoever wants durability `strict` gets no less, unless `fallback` says what.
 */
import { logger } from "cojson";
import { NativeStorageError } from "../errors.js";
import type { JazzNativeStorage } from "../jazz-native-storage.js";
import type { FallbackEvent, NativeStorageOptions } from "../options.js";
import { openIndexedDb } from "./indexeddb-storage.js";
import { hasStore } from "./origin.js";

/** Opens another storage, and tells so; throws `reason` where there is to be none. */
export async function openFallback(
  dbName: string,
  reason: unknown,
  options: NativeStorageOptions,
  openInMemory: () => Promise<JazzNativeStorage>,
): Promise<JazzNativeStorage> {
  const { durability, fallback = durability === "strict" ? "none" : "best" } = options;
  if (fallback === "none" || !isUnavailable(reason) || typeof Worker === "undefined") throw reason;
  const hidesStore = await hasStore(dbName);
  if (hidesStore && options.fallback === undefined) {
    const message = `${reason.message}; as there is a store already, nothing else is opened unless fallback says so`;
    throw new NativeStorageError("UNAVAILABLE", message, { cause: reason });
  }
  let storage: JazzNativeStorage | undefined;
  let { message } = reason;
  if (fallback !== "memory") {
    try {
      storage = await openIndexedDb(dbName, options);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      message += `; ${error.message}`;
      if (fallback === "indexeddb") throw new NativeStorageError("UNAVAILABLE", message, { cause: reason });
    }
  }
  const chosen = storage ? "indexeddb" : "memory";
  storage ??= await openInMemory();
  tell(options, { code: reason.code, message, chosen, hidesStore });
  return storage;
}

function tell({ onFallback }: NativeStorageOptions, event: FallbackEvent): void {
  const hidden = event.hidesStore ? "; what is stored in its private file system is not seen meanwhile" : "";
  logger.warn(`Jazz Native Storage uses ${event.chosen} here: ${event.message}${hidden}`);
  try {
    onFallback?.(event);
  } catch (err) {
    logger.error("onFallback threw", { err });
  }
}

function isUnavailable(error: unknown): error is NativeStorageError {
  return error instanceof NativeStorageError && error.code === "UNAVAILABLE";
}
