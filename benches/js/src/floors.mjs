/**
 * What is below any storage, as storages that cannot be read again: the harness alone, the bytes of the package's codec
 * made and dropped, appended to a file with a system call each, and synced each time as well, or all that wait together.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { writeMessage } from "../../../npm/jazz-native-storage/dist/codec/messages.js";
import { ByteWriter } from "../../../npm/jazz-native-storage/dist/codec/writer.js";
import { TRANSACTION_CONFIG } from "../../../npm/jazz-native-storage/dist/cojson-internals.js";
import { EmptyStorage } from "./capture.mjs";

/** @typedef {import("cojson").StorageAPI} StorageAPI */

/** What the harness costs by itself. Says that it has every value, and delivers nothing. */
export class NothingStorage extends EmptyStorage {
  /**
   * @override
   * @type {StorageAPI["load"]}
   */
  load(_id, _callback, done) {
    done?.(true);
  }
}

export class EncodingStorage extends EmptyStorage {
  writer = new ByteWriter();

  /**
   * @override
   * @type {StorageAPI["store"]}
   */
  store(message, _correction, done) {
    this.encode(message);
    done?.();
  }

  /** @param {Parameters<StorageAPI["store"]>[0]} message */
  encode(message) {
    const chunkThreshold = TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE;
    const writer = this.writer.reset();
    writeMessage(writer, message, { deleteIsValid: false, chunkThreshold });
    return writer.written();
  }
}

export class AppendingStorage extends EncodingStorage {
  /** @param {string} path */
  constructor(path) {
    super();
    this.file = openSync(path, "a");
  }

  /**
   * @override
   * @type {StorageAPI["store"]}
   */
  store(message, _correction, done) {
    this.append(message);
    done?.();
  }

  /** @param {Parameters<StorageAPI["store"]>[0]} message */
  append(message) {
    const bytes = this.encode(message);
    const written = writeSync(this.file, bytes);
    if (written !== bytes.length) throw new Error(`${written} of ${bytes.length} bytes were written`);
  }

  /**
   * @override
   * @returns {undefined}
   */
  close() {
    closeSync(this.file);
  }
}

/** Syncs each message. */
export class SyncingStorage extends AppendingStorage {
  /**
   * @override
   * @type {StorageAPI["store"]}
   */
  store(message, _correction, done) {
    this.append(message);
    fdatasyncSync(this.file);
    done?.();
  }
}

/** Appends while it syncs: a sync is for all that was appended before it began. */
export class TogetherSyncingStorage extends AppendingStorage {
  /** @type {(() => void)[]} */
  waiting = [];
  busy = false;

  /**
   * @override
   * @type {StorageAPI["store"]}
   */
  store(message, _correction, done) {
    this.append(message);
    this.waiting.push(() => done?.());
    // What else is stored in this turn goes along.
    queueMicrotask(() => this.sync());
  }

  sync() {
    if (this.busy || this.waiting.length === 0) return;
    this.busy = true;
    const synced = this.waiting;
    this.waiting = [];
    fdatasync(this.file, (error) => {
      if (error) throw error;
      this.busy = false;
      for (const done of synced) done();
      this.sync();
    });
  }
}
