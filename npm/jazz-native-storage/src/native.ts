/**
 * The face every binding of the engine has (Node-API, wasm, React Native): one call per operation, byte strings in the
 * forms of the design document both ways. `null` stands for "nothing".
 */
import type { Durability } from "./options.js";

export interface NativeOpenOptions {
  path?: string;
  durability?: Durability;
  cacheBytes?: number;
  segmentBytes?: number;
  deltaBytes?: number;
  bufferBytes?: number;
}

export interface NativeLockResult {
  acquired: boolean;
  reason?: "not_due" | "lock_held";
  lastProcessedOffset: number;
}

/** How far a long operation has come, in bytes. */
export interface Progress {
  done: number;
  /** 0 before it is known. */
  total: number;
}

/** Given to a long operation when it begins, to watch it and to end it. */
export interface NativeTask {
  progress(): Progress;
  /** Lets the operation fail with `CANCELLED`, unless it is complete by then. */
  cancel(): void;
}

/** Where a backup is: one of both. */
export interface NativeBackupLocation {
  file?: string;
  directory?: string;
}

/** What was copied. */
export interface BackupResult {
  /** Files of the store. */
  files: number;
  /** Their bytes. */
  bytes: number;
}

/** Damage in a file of a store. */
export interface Damage {
  /** The file's name in the store's directory. */
  file: string;
  /** Where in the file, in bytes. */
  offset: number;
  /** What is wrong. */
  detail: string;
  /** The ids of the CoValues concerned, as far as they are known. */
  coValues: string[];
}

/** What a verification found. */
export interface VerifyReport {
  /** Bytes of files that were read. */
  bytes: number;
  /** Records whose checksum was compared, those not needed any more included. */
  records: number;
  /** Rows of the index on disk. */
  rows: number;
  /** CoValues that are as they should be. */
  coValues: number;
  /** Transactions that are where the index says. */
  transactions: number;
  /** What is wrong; nothing in an intact store. */
  damage: Damage[];
}

/** A session of which a repair could not keep everything. */
export interface LostSession {
  /** The CoValue's id, if it is known. */
  coValue?: string;
  /** The session's id, if it is known. */
  session?: string;
  /** Transactions that are still there: those up to the last good signature. */
  kept: number;
  /** Transactions that are not. */
  lost: number;
}

/** What a repair found and did. */
export interface RepairReport {
  /** What was damaged; nothing if the store was intact. */
  damage: Damage[];
  /** Sessions that are shorter now. */
  lost: LostSession[];
  /** CoValues kept. */
  coValues: number;
  /** CoValues lost as a whole, those included whose ids are not known. */
  coValuesLost: number;
  /** Their ids, as far as they are known. */
  lostIds: string[];
  /** The file in the store's directory to which damaged bytes were copied, if there were any. */
  setAside?: string;
}

/** Counters and sizes of an open store; sizes are in bytes. Counters begin at 0 when the store is opened. */
export interface StorageStats {
  /** The directory of the store; absent for one in memory. */
  path?: string;
  /** The strictest level asked for by any handle in this process. */
  durability: Durability;
  /** The version of the format the store is written in. */
  formatVersion: number;
  /** CoValues stored, erased ones included. */
  coValues: number;
  /** Records written to the log: one per message stored. */
  recordsWritten: number;
  /** Bytes written to the log. */
  bytesWritten: number;
  /** Bytes written once more by writing out the index, merging and compacting. */
  bytesRewritten: number;
  /** Syncs of the log to the device. */
  syncs: number;
  /** Times the index was written out. */
  checkpoints: number;
  /** Slices of layers merged. */
  merges: number;
  /** Records read back from the log at opening. */
  replayedRecords: number;
  /** Bytes found after the end of the log at opening and dropped: a write that did not complete. */
  discardedBytes: number;
  /** Rows of the index in memory. */
  deltaRows: number;
  /** Immutable layers of the index. */
  layers: number;
  /** Files of these layers. */
  runs: number;
  /** Rows in them. */
  runRows: number;
  /** Bytes of them on disk. */
  runBytes: number;
  /** Segments of the log. */
  segments: number;
  /** Bytes of the log on disk. */
  logBytes: number;
  /** How many of these are known not to be needed any more: compacting gives most of them back. */
  deadBytes: number;
  /** Bytes of index blocks in memory. */
  cacheBytes: number;
  /** Bytes of filters and block indexes in memory. */
  residentBytes: number;
  /** Why writes are refused, if they are: the first failure of the device. */
  writeFailure?: string;
  /** Why merging and compacting do not go on, if they do not: no room, or damage. Stores and loads do go on. */
  stalled?: string;
}

/** An open store. Errors are thrown as `Error`s with a stable `code`. */
export interface NativeStorage {
  store(message: Uint8Array): Uint8Array | null;
  storeBatch(batch: Uint8Array): Uint8Array;
  load(id: Uint8Array, byteBudget: number): Uint8Array | null;
  loadMany(ids: Uint8Array, byteBudget: number): Uint8Array;
  loadPiece(id: Uint8Array, session: Uint8Array, after: number, count: number): Uint8Array | null;
  knownState(id: Uint8Array): Uint8Array | null;
  pendingDeletions(): Uint8Array;
  erase(id: Uint8Array): boolean;
  coValueIds(limit: number, offset: number): Uint8Array;
  coValueCount(): number;
  trackSyncState(updates: Uint8Array): void;
  unsyncedIds(): Uint8Array;
  stopTracking(id: Uint8Array): void;
  tryAcquireLock(
    session: Uint8Array,
    peer: Uint8Array,
    now: number,
    ttl: number,
    interval: number,
  ): NativeLockResult;
  renewLock(session: Uint8Array, peer: Uint8Array, offset: number): void;
  releaseLock(session: Uint8Array, peer: Uint8Array, now: number): void;
  flush(): void;
  stats(): StorageStats;
  /** Closes the store. Any later call opens it again. */
  close(): void;

  storeAsync(message: Uint8Array): Promise<Uint8Array | null>;
  storeBatchAsync(batch: Uint8Array): Promise<Uint8Array>;
  loadAsync(id: Uint8Array, byteBudget: number): Promise<Uint8Array | null>;
  loadManyAsync(ids: Uint8Array, byteBudget: number): Promise<Uint8Array>;
  loadPieceAsync(
    id: Uint8Array,
    session: Uint8Array,
    after: number,
    count: number,
  ): Promise<Uint8Array | null>;
  knownStateAsync(id: Uint8Array): Promise<Uint8Array | null>;
  pendingDeletionsAsync(): Promise<Uint8Array>;
  eraseAsync(id: Uint8Array): Promise<boolean>;
  coValueIdsAsync(limit: number, offset: number): Promise<Uint8Array>;
  coValueCountAsync(): Promise<number>;
  trackSyncStateAsync(updates: Uint8Array): Promise<void>;
  unsyncedIdsAsync(): Promise<Uint8Array>;
  stopTrackingAsync(id: Uint8Array): Promise<void>;
  tryAcquireLockAsync(
    session: Uint8Array,
    peer: Uint8Array,
    now: number,
    ttl: number,
    interval: number,
  ): Promise<NativeLockResult>;
  renewLockAsync(session: Uint8Array, peer: Uint8Array, offset: number): Promise<void>;
  releaseLockAsync(session: Uint8Array, peer: Uint8Array, now: number): Promise<void>;
  flushAsync(): Promise<void>;
  statsAsync(): Promise<StorageStats>;
  compactAsync(): Promise<void>;
  /** A task for one operation. */
  task(): NativeTask;
  backupAsync(target: NativeBackupLocation, task: NativeTask): Promise<BackupResult>;
  verifyAsync(task: NativeTask): Promise<VerifyReport>;
  closeAsync(): Promise<void>;
}

/** The module of a binding. */
export interface NativeBinding {
  readonly NativeStorage: {
    open(options: NativeOpenOptions): NativeStorage;
    openAsync(options: NativeOpenOptions): Promise<NativeStorage>;
  };
  readonly Task: new () => NativeTask;
  restoreBackupAsync(from: NativeBackupLocation, path: string, task: NativeTask): Promise<BackupResult>;
  repairAsync(path: string, task: NativeTask): Promise<RepairReport>;
  /** The version of the package the binding was built for. */
  version(): string;
}
