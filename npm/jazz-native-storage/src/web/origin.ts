/** What the browser says, and is asked, of all that this origin stores. */
import { HEADER_BYTES } from "../host/opfs-pool.js";
import type { OriginUsage } from "../jazz-native-storage.js";
import { DIRECTORY, directoryOf } from "./names.js";

export async function originUsage(): Promise<OriginUsage> {
  const [estimate, persisted] = await Promise.all([
    navigator.storage?.estimate?.().catch(() => undefined),
    navigator.storage?.persisted?.().catch(() => undefined),
  ]);
  return { usage: estimate?.usage, quota: estimate?.quota, persisted };
}

/** Asks for a promise not to evict what is stored, which some browsers ask the user about. */
export async function askToPersist(): Promise<boolean> {
  // Only pages can ask, and only where there is anything to be asked.
  const granted = await navigator.storage?.persist?.().catch(() => false);
  return granted ?? false;
}

/**
 * Whether the private file system has a store of this name, where it can be looked into: files with content. Free ones may be
 * left by an engine that could not be started.
 */
export async function hasStore(dbName: string): Promise<boolean> {
  let directory: FileSystemDirectoryHandle;
  try {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(DIRECTORY);
    directory = await all.getDirectoryHandle(directoryOf(dbName));
  } catch {
    // There is none, or it cannot be told.
    return false;
  }
  try {
    for await (const entry of directory.values()) {
      if (entry.kind === "file" && (await (entry as FileSystemFileHandle).getFile()).size > HEADER_BYTES)
        return true;
    }
    return false;
  } catch {
    return true;
  }
}
