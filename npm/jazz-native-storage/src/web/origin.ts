/** What the browser says, and is asked, of all that this origin stores. */
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

/** Whether the private file system has a database of this name, where it can be looked into. */
export async function hasStore(dbName: string): Promise<boolean> {
  try {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(DIRECTORY);
    const directory = await all.getDirectoryHandle(directoryOf(dbName));
    for await (const _ of directory.keys()) return true;
  } catch {
    // There is none, or it cannot be told.
  }
  return false;
}
