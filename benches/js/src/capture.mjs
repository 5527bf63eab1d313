/** Storages that have nothing to load: one that does nothing at all, and one that keeps what it is given to store. */
import { emptyKnownState } from "cojson";

/**
 * @typedef {import("cojson").StorageAPI} StorageAPI
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 */

/**
 * Takes every message and forgets it.
 *
 * @implements {StorageAPI}
 */
export class EmptyStorage {
  /** @type {StorageAPI["store"]} */
  store(_message, _correction, done) {
    done?.();
  }

  /** @type {StorageAPI["load"]} */
  load(_id, _callback, done) {
    done?.(false);
  }

  /** @type {StorageAPI["loadKnownState"]} */
  loadKnownState(_id, callback) {
    callback(undefined);
  }

  /** @type {StorageAPI["getKnownState"]} */
  getKnownState(id) {
    return emptyKnownState(/** @type {import("cojson").RawCoID} */ (id));
  }

  /** Everything is done before `store` returns. */
  async waitForSync() {}

  /** @type {StorageAPI["trackCoValuesSyncState"]} */
  trackCoValuesSyncState(_updates, done) {
    done?.();
  }

  /** @type {StorageAPI["getUnsyncedCoValueIDs"]} */
  getUnsyncedCoValueIDs(callback) {
    callback([]);
  }

  /** @type {StorageAPI["getCoValueIDs"]} */
  getCoValueIDs(_limit, _offset, callback) {
    callback([]);
  }

  /** @type {StorageAPI["getCoValueCount"]} */
  getCoValueCount(callback) {
    callback(0);
  }

  /** @type {StorageAPI["tryAcquireStorageReconciliationLock"]} */
  tryAcquireStorageReconciliationLock(_session, _peer, callback) {
    callback({ acquired: false, reason: "not_due" });
  }

  renewStorageReconciliationLock() {}
  releaseStorageReconciliationLock() {}
  stopTrackingSyncState() {}
  markDeleteAsValid() {}
  enableDeletedCoValuesErasure() {}
  async eraseAllDeletedCoValues() {}
  onCoValueUnmounted() {}

  /** @returns {undefined} */
  close() {}
}

/** Keeps the messages it is given, in their order. */
export class CapturingStorage extends EmptyStorage {
  /**
   * Messages as JSON text, since the node that sends them may go on to change the objects.
   *
   * @type {string[]}
   */
  messages = [];

  /**
   * @override
   * @type {StorageAPI["store"]}
   */
  store(message, _correction, done) {
    this.messages.push(JSON.stringify(message));
    done?.();
  }
}
