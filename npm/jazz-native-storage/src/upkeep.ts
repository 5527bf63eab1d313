/** Operations that take long: how they are watched and ended, and where a backup is. */
import { logger } from "cojson";
import { NativeStorageError, toNativeStorageError } from "./errors.js";
import type { StorageTask, TaskProgress } from "./generated/native.js";
import { checkPath, describe, invalid } from "./options.js";

/** Where a backup is: an archive in one file, or a directory that can be opened as a store. */
export type BackupLocation = { readonly file: string } | { readonly directory: string };

export interface UpkeepOptions {
  /** Told how far the operation has come, at each hundredth of the whole, and at its end. */
  readonly onProgress?: (progress: TaskProgress) => void;
  /** Ends the operation: it rejects with `CANCELLED`, and nothing is left of it. */
  readonly signal?: AbortSignal;
}

export interface RestoreOptions extends UpkeepOptions {
  /** The backup, which is not changed; in a browser an archive, which may be a file that the user has picked. */
  readonly from: BackupLocation | Blob;
  /** Not in browsers: the directory of the new store, absent or empty. */
  readonly path?: string;
  /** In browsers: the name of the new database, which nobody has open and which holds nothing. */
  readonly dbName?: string;
}

export interface RepairOptions extends UpkeepOptions {
  /** The directory of the store. */
  readonly path: string;
}

/** Throws `INVALID_OPTION` unless `location` names a file or a directory. */
export function checkLocation(option: string, location: unknown): BackupLocation {
  const given = (typeof location === "object" && location !== null ? location : {}) as Record<
    string,
    unknown
  >;
  const [name, ...others] = Object.keys(given);
  if ((name !== "file" && name !== "directory") || others.length > 0) {
    throw invalid(option, 'must be { file: "…" } or { directory: "…" }');
  }
  const path = given[name];
  checkPath(`${option}.${name}`, path);
  return name === "file" ? { file: path } : { directory: path };
}

/** Runs an operation, tells how far it has come, and ends it when the signal says so. */
export async function watched<T>(
  task: StorageTask,
  { onProgress, signal }: UpkeepOptions,
  run: (task: StorageTask) => Promise<T>,
): Promise<T> {
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw invalid("onProgress", `must be a function, not ${describe(onProgress)}`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid("signal", `must be an AbortSignal, not ${describe(signal)}`);
  }
  if (signal?.aborted) throw cancelled(signal);
  const cancel = () => task.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  let told: TaskProgress | undefined;
  const tell = (progress: TaskProgress) => {
    told = progress;
    try {
      onProgress?.(progress);
    } catch (err) {
      logger.error("A callback given as onProgress threw", { err });
    }
  };
  let over = false;
  if (onProgress) task.onProgress((progress) => over || tell(progress));
  try {
    const result = await run(task);
    over = true;
    // What the operation itself told may not have come yet.
    const end = task.progress();
    if (told?.done !== end.done || told.total !== end.total) tell(end);
    return result;
  } catch (error) {
    const typed = toNativeStorageError(error);
    throw typed.code === "CANCELLED" && signal ? cancelled(signal) : typed;
  } finally {
    over = true;
    signal?.removeEventListener("abort", cancel);
  }
}

function cancelled(signal: AbortSignal): NativeStorageError {
  return new NativeStorageError("CANCELLED", "cancelled; nothing is left of what had been written", {
    cause: signal.reason,
  });
}
