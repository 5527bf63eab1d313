/** Making a database of an archive, as the page sees it. */
import { NativeStorageError } from "../errors.js";
import type { BackupResult, StorageTask, TaskProgress } from "../generated/native.js";
import { invalid } from "../options.js";
import type { RestoreOptions } from "../upkeep.js";
import { validateBrowserOptions } from "./browser-options.js";
import { fromPosted, unavailable } from "./failure.js";
import type { FromWorker, ToWorker } from "./hosting.js";
import { DIRECTORY, directoryOf, leaderLock } from "./names.js";

/** How often files are removed that a worker, which has just been ended, may not have let go of yet; and how long between. */
const ATTEMPTS = 20;
const RETRY_MS = 50;

/** Throws `INVALID_OPTION`, naming the option and what it allows, unless `options` can be used. */
export function checkRestore(options: RestoreOptions): { from: Blob; dbName: string } {
  const { from, path, dbName } = options ?? {};
  if (!(from instanceof Blob)) throw invalid("from", "must be an archive, as a Blob or a File");
  if (path !== undefined) throw invalid("path", "names a directory; in a browser a store has a dbName");
  if (dbName === undefined) throw invalid("dbName", "is required: the name of the new database");
  validateBrowserOptions({ dbName });
  return { from, dbName };
}

/** How far it has come is known when it is over: the worker does it in one go. */
export class RestoreTask implements StorageTask {
  readonly #cancelled = new AbortController();
  #progress: TaskProgress = { done: 0, total: 0 };

  get signal(): AbortSignal {
    return this.#cancelled.signal;
  }

  progress(): TaskProgress {
    return this.#progress;
  }

  complete(bytes: number): void {
    this.#progress = { done: bytes, total: bytes };
  }

  cancel(): void {
    this.#cancelled.abort();
  }

  onProgress(): void {}
}

export async function restore(
  worker: () => Promise<Worker>,
  { from, dbName }: { from: Blob; dbName: string },
  task: RestoreTask,
): Promise<BackupResult> {
  return await navigator.locks.request(leaderLock(dbName), { ifAvailable: true }, async (lock) => {
    if (!lock) {
      const name = JSON.stringify(dbName);
      throw new NativeStorageError(
        "LOCKED",
        `the database ${name} is open, here or in another tab: close it or restore to another name`,
      );
    }
    const restored = await inWorker(await worker(), from, dbName, task.signal);
    task.complete(restored.bytes);
    return restored;
  });
}

async function inWorker(
  worker: Worker,
  archive: Blob,
  database: string,
  cancelled: AbortSignal,
): Promise<BackupResult> {
  let isWriting = false;
  try {
    return await new Promise((resolve, reject) => {
      worker.onerror = (event) => {
        event.preventDefault();
        reject(unavailable(`the worker cannot be started: ${event.message ?? "its script was not loaded"}`));
      };
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (data instanceof Uint8Array) return;
        if (data.kind === "restored") resolve(data.result);
        else if (data.kind === "failed") reject(fromPosted(data.failure));
        if (data.kind === "restored" || data.kind === "failed") isWriting = false;
        else if (data.kind === "restoring") isWriting = true;
      };
      cancelled.addEventListener("abort", () => reject(new NativeStorageError("CANCELLED", "cancelled")), {
        once: true,
      });
      worker.postMessage({ kind: "restore", database, archive } satisfies ToWorker);
    });
  } finally {
    worker.terminate();
    if (isWriting) await remove(database);
  }
}

/** Removes a database that was being made. */
async function remove(database: string): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const all = await root.getDirectoryHandle(DIRECTORY);
  for (let attempt = 1; ; attempt++) {
    try {
      await all.removeEntry(directoryOf(database), { recursive: true });
      return;
    } catch (error) {
      if ((error as DOMException).name === "NotFoundError") return;
      // What is left is marked as incomplete, and cleared away by the next attempt to restore.
      if (attempt === ATTEMPTS) return;
      await new Promise((over) => setTimeout(over, RETRY_MS));
    }
  }
}
