/** What every platform's storage offers. */
import type { RawCoID, StorageAPI } from "cojson";
import type { BackupResult, StorageStats, VerifyReport } from "./generated/native.js";
import type { CoValueReport } from "./inspect.js";
import type { Backing, Flavour } from "./options.js";
import type { BackupLocation, UpkeepOptions } from "./upkeep.js";

/** Figures about who runs the engine of a store, and who uses it. */
export interface Hosting {
  /** Names the engine: another one has another name. */
  readonly engine: string;
  /** Whether it runs in this tab, which leads then. */
  readonly isHere: boolean;
  /** Storage objects that use it: one for each tab, unless a tab opens the database several times. */
  readonly connections: number;
}

/** What a browser says of all that an origin stores, where it says it. */
export interface OriginUsage {
  /** Bytes, estimated by the browser. */
  readonly usage: number | undefined;
  readonly quota: number | undefined;
  /** Whether it has promised not to evict them. */
  readonly persisted: boolean | undefined;
}

/** A storage for `node.setStorage`, with what the engine offers beyond cojson's interface. */
export interface JazzNativeStorage extends StorageAPI {
  readonly flavour: Flavour;
  /** In browsers: where it keeps what it stores. On `"indexeddb"`, what only the engine offers rejects with `UNAVAILABLE`. */
  readonly backing?: Backing;
  /** Settles after `done`. It rejects if the value could not be read, which is logged as well. */
  load: (...parameters: Parameters<StorageAPI["load"]>) => Promise<void>;
  /** Figures about the store; in a browser also about who runs its engine, and about all that its origin stores. */
  stats: () => Promise<StorageStats & { readonly hosting?: Hosting; readonly origin?: OriginUsage }>;
  /** What is stored of a CoValue; nothing if it is not. A node that uses this storage does not notice. */
  inspect: (id: string) => Promise<CoValueReport | undefined>;
  /** Resolves when everything stored so far survives a power cut, whatever the durability. */
  flush: () => Promise<void>;
  /** Ids of deleted values that are waiting for their content to be erased. */
  pendingDeletions: () => Promise<RawCoID[]>;
  /** Gives room on disk back: nothing that was erased is left there afterwards. Loads and stores go on meanwhile. */
  compact: () => Promise<void>;
  /**
   * Copies the store as it is now, with everything that was stored before, while loads and stores go on. Nothing that
   * exists is replaced, and nothing is left of a copy that was not completed.
   */
  backup: (target: BackupLocation, options?: UpkeepOptions) => Promise<BackupResult>;
  /**
   * In browsers only: the store as it is now as an archive, the same that `backup` writes to a file elsewhere, while loads
   * and stores go on. The browser keeps it on disk if it is large.
   */
  exportArchive?: (options?: UpkeepOptions) => Promise<Blob>;
  /**
   * Compares every checksum of every file, and every entry of the index with the log, while loads and stores go on.
   * Damage is told in the report; `onDegraded` is told of it as well.
   */
  verify: (options?: UpkeepOptions) => Promise<VerifyReport>;
}
