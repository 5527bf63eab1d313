/** What every platform's storage offers. */
import type { RawCoID, StorageAPI } from "cojson";
import type { BackupResult, StorageStats, VerifyReport } from "./generated/native.js";
import type { Flavour } from "./options.js";
import type { BackupLocation, UpkeepOptions } from "./upkeep.js";

/** A storage for `node.setStorage`, with what the engine offers beyond cojson's interface. */
export interface JazzNativeStorage extends StorageAPI {
  readonly flavour: Flavour;
  /** Settles after `done`. It rejects if the value could not be read, which is logged as well. */
  load: (...parameters: Parameters<StorageAPI["load"]>) => Promise<void>;
  /** Figures about the store. */
  stats: () => Promise<StorageStats>;
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
   * Compares every checksum of every file, and every entry of the index with the log, while loads and stores go on.
   * Damage is told in the report; `onDegraded` is told of it as well.
   */
  verify: (options?: UpkeepOptions) => Promise<VerifyReport>;
}
