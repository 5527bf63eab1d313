/** The engine as the asynchronous storage uses it, over a connection. */

import { NativeStorageError } from "../errors.js";
import type {
  BackupLocation,
  BackupResult,
  LockResult,
  Nothing,
  StorageStats,
  StorageTask,
  TaskProgress,
  VerifyReport,
} from "../generated/native.js";
import type { NativeStorageEvent } from "../options.js";
import type { AsyncNativeStorage } from "../storage-base.js";
import type { Connection } from "./connection.js";
import type { RemoteMethod, Several } from "./frames.js";

export class RemoteStorage implements AsyncNativeStorage {
  readonly #listeners: ((event: NativeStorageEvent) => void)[] = [];
  readonly #tasks = new Map<number, RemoteTask>();
  readonly #archives = new Map<number, (at: number, bytes: Uint8Array<ArrayBuffer>) => void>();
  #lastTask = 0;

  /** `wake` is called before each operation, as one after `close` opens the store again, and `rest` after `close`. */
  constructor(
    private readonly connection: Connection,
    private readonly life: { wake(): void; rest(): void },
  ) {}

  /** Takes an event of the store. */
  happened(event: NativeStorageEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Takes how far a task has come. */
  progressed(task: number, progress: TaskProgress): void {
    this.#tasks.get(task)?.take(progress);
  }

  storeAsync(message: Uint8Array): Promise<Uint8Array | Nothing> {
    return this.#call("store", message);
  }

  storeBatchAsync(batch: Uint8Array): Promise<Uint8Array> {
    return this.#call("storeBatch", batch);
  }

  loadAsync(id: Uint8Array, byteBudget: number): Promise<Uint8Array | Nothing> {
    return this.#call("load", id, byteBudget);
  }

  async loadWithDependenciesAsync(
    id: Uint8Array,
    byteBudget: number,
  ): Promise<readonly Uint8Array[] | undefined> {
    return (await this.#call<Several | undefined>("loadWithDependencies", id, byteBudget))?.parts;
  }

  loadManyAsync(ids: Uint8Array, byteBudget: number): Promise<Uint8Array> {
    return this.#call("loadMany", ids, byteBudget);
  }

  loadPieceAsync(
    id: Uint8Array,
    session: Uint8Array,
    after: number,
    count: number,
  ): Promise<Uint8Array | Nothing> {
    return this.#call("loadPiece", id, session, after, count);
  }

  knownStateAsync(id: Uint8Array): Promise<Uint8Array | Nothing> {
    return this.#call("knownState", id);
  }

  pendingDeletionsAsync(): Promise<Uint8Array> {
    return this.#call("pendingDeletions");
  }

  eraseAsync(id: Uint8Array): Promise<boolean> {
    return this.#call("erase", id);
  }

  coValueIdsAsync(limit: number, offset: number): Promise<Uint8Array> {
    return this.#call("coValueIds", limit, offset);
  }

  coValueCountAsync(): Promise<number> {
    return this.#call("coValueCount");
  }

  trackSyncStateAsync(updates: Uint8Array): Promise<void> {
    return this.#call("trackSyncState", updates);
  }

  unsyncedIdsAsync(): Promise<Uint8Array> {
    return this.#call("unsyncedIds");
  }

  stopTrackingAsync(id: Uint8Array): Promise<void> {
    return this.#call("stopTracking", id);
  }

  tryAcquireLockAsync(
    session: Uint8Array,
    peer: Uint8Array,
    now: number,
    ttl: number,
    interval: number,
  ): Promise<LockResult> {
    return this.#call("tryAcquireLock", session, peer, now, ttl, interval);
  }

  renewLockAsync(session: Uint8Array, peer: Uint8Array, offset: number): Promise<void> {
    return this.#call("renewLock", session, peer, offset);
  }

  releaseLockAsync(session: Uint8Array, peer: Uint8Array, now: number): Promise<void> {
    return this.#call("releaseLock", session, peer, now);
  }

  flushAsync(): Promise<void> {
    return this.#call("flush");
  }

  compactAsync(): Promise<void> {
    return this.#call("compact");
  }

  statsAsync(): Promise<StorageStats> {
    return this.#call("stats");
  }

  async verifyAsync(task: StorageTask): Promise<VerifyReport> {
    const { number } = task as RemoteTask;
    try {
      return await this.#call("verify", number);
    } finally {
      this.#tasks.delete(number);
    }
  }

  backupAsync(_target: BackupLocation, _task: StorageTask): Promise<BackupResult> {
    const message = "a browser has no paths to back up to: exportArchive makes an archive";
    return Promise.reject(new NativeStorageError("INVALID_OPTION", message));
  }

  /** The store as it is now, in one file. Its pieces are put together here; the browser keeps large ones on disk. */
  async archiveAsync(task: StorageTask): Promise<Blob> {
    const { number } = task as RemoteTask;
    const pieces: Blob[] = [];
    this.#archives.set(number, (at, bytes) => {
      // Another engine begins anew.
      if (at === 0) pieces.length = 0;
      pieces.push(new Blob([bytes]));
    });
    try {
      await this.#call("archive", number);
      return new Blob(pieces, { type: "application/octet-stream" });
    } finally {
      this.#archives.delete(number);
      this.#tasks.delete(number);
    }
  }

  /** Takes a piece of an archive, and says so. */
  piece(task: number, at: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#archives.get(task)?.(at, bytes);
    this.connection.tell({ kind: "taken", task });
  }

  task(): StorageTask {
    const number = ++this.#lastTask;
    const task = new RemoteTask(number, () => this.connection.tell({ kind: "cancel", task: number }));
    this.#tasks.set(number, task);
    return task;
  }

  onEvent(listener: (event: NativeStorageEvent) => void): void {
    this.#listeners.push(listener);
  }

  async closeAsync(): Promise<void> {
    await this.#call("close");
    this.life.rest();
  }

  #call<T>(method: RemoteMethod, ...args: unknown[]): Promise<T> {
    this.life.wake();
    return this.connection.call(method, ...args) as Promise<T>;
  }
}

/** A task of the engine's context. */
class RemoteTask implements StorageTask {
  #progress: TaskProgress = { done: 0, total: 0 };
  #listener: ((progress: TaskProgress) => void) | undefined;

  constructor(
    readonly number: number,
    private readonly end: () => void,
  ) {}

  progress(): TaskProgress {
    return this.#progress;
  }

  cancel(): void {
    this.end();
  }

  onProgress(listener: (progress: TaskProgress) => void): void {
    this.#listener = listener;
  }

  take(progress: TaskProgress): void {
    this.#progress = progress;
    this.#listener?.(progress);
  }
}
