/**
 * cojson-storage-indexeddb in the engine's place.
 *
 * By itself it acknowledges what a transaction is about to commit, and passes over those that the browser aborts, as when
 * there is no room. Here `done` waits for the transactions to complete, and one that was aborted is a failure.
 */
import { logger } from "cojson";
import { NativeStorageError } from "../errors.js";
import type { JazzNativeStorage } from "../jazz-native-storage.js";
import type { Listeners } from "../options.js";
import { unavailable } from "./failure.js";
import { JazzIndexedDb } from "./jazz-indexeddb.js";

/** What is needed of its storage beyond its public types. */
interface Inner {
  readonly dbClient: {
    readonly db: IDBDatabase;
    transaction(...of: unknown[]): Promise<unknown>;
    upsertCoValue(...of: unknown[]): Promise<unknown>;
    getAllCoValuesWaitingForDelete(): ReturnType<JazzNativeStorage["pendingDeletions"]>;
  };
}

/** Opens the IndexedDB database of a name. Rejects with `UNAVAILABLE` if there is no IndexedDB, or not the package. */
export async function openIndexedDb(dbName: string, { onDegraded }: Listeners): Promise<JazzNativeStorage> {
  if (typeof indexedDB === "undefined") throw unavailable("there is no IndexedDB");
  const { getIndexedDBStorage } = await load(dbName);
  const storage = await getIndexedDBStorage(dbName).catch((error) => {
    throw unopened(dbName, error);
  });
  const { dbClient } = storage as unknown as Inner;
  let isDegraded = false;
  waitForCompletion(dbClient, (cause) => {
    const isFull = cause instanceof DOMException && cause.name === "QuotaExceededError";
    const error = new NativeStorageError(
      isFull ? "DISK_FULL" : "IO",
      `IndexedDB did not store to ${JSON.stringify(dbName)}: ${String(cause)}`,
      { cause },
    );
    if (!isDegraded) {
      isDegraded = true;
      try {
        onDegraded?.({ code: error.code, message: error.message, error });
      } catch (err) {
        logger.error("onDegraded threw", { err });
      }
    }
    return error;
  });
  const engineOnly = (what: string) => () =>
    Promise.reject(unavailable(`${what} needs the engine, which cannot run here: this is IndexedDB`));
  const offered = {
    flavour: "async",
    backing: "indexeddb",
    stats: engineOnly("stats"),
    flush: engineOnly("flush"),
    compact: engineOnly("compact"),
    verify: engineOnly("verify"),
    backup: engineOnly("backup"),
    inspect: engineOnly("inspect"),
    pendingDeletions: () => dbClient.getAllCoValuesWaitingForDelete(),
  } as const;
  return Object.assign(storage as unknown as JazzNativeStorage, offered);
}

/**
 * By the path of its file: where a bundler is told to take us for the package, as a drop-in, this is the package still. An
 * app that does not have it gets a module that fails. So does one whose server does not answer: what it has stored before
 * must not be passed over for a store in memory.
 */
async function load(dbName: string) {
  try {
    return await import("cojson-storage-indexeddb/dist/index.js");
  } catch (error) {
    const stored = await JazzIndexedDb.open(dbName);
    if (!stored) throw unavailable(`the package cojson-storage-indexeddb is not there: ${String(error)}`);
    stored.close();
    const message = `the IndexedDB database ${JSON.stringify(dbName)} is there, but not the package that opens it: ${String(error)}`;
    throw new NativeStorageError("IO", message, { cause: error });
  }
}

/** A database that is there and does not open is no missing capability, unless the browser allows none. */
function unopened(dbName: string, cause: unknown): NativeStorageError {
  const { name } = cause as { name?: string };
  const message = `the IndexedDB database ${JSON.stringify(dbName)} cannot be opened: ${String(cause)}`;
  if (name === "SecurityError" || name === "InvalidStateError") return unavailable(message);
  const code = name === "VersionError" ? "NEWER_FORMAT" : name === "QuotaExceededError" ? "DISK_FULL" : "IO";
  return new NativeStorageError(code, message, { cause });
}

/** Has what writes wait until its transactions are completed, and fail if one was aborted. */
function waitForCompletion(client: Inner["dbClient"], failed: (cause: unknown) => NativeStorageError): void {
  const { db } = client;
  type Ended = Promise<unknown>[];
  const running = new Set<Ended>();
  let beginning: Ended | undefined;
  const begin = db.transaction.bind(db);
  db.transaction = (stores, mode, options) => {
    const transaction = begin(stores, mode, options);
    if (mode !== "readwrite") return transaction;
    const ended = endOf(transaction, stores);
    if (beginning) beginning.push(ended);
    // One that is begun anew in the midst of an operation, which may be any of them.
    else for (const operation of running) operation.push(ended);
    return transaction;
  };
  for (const method of ["transaction", "upsertCoValue"] as const) {
    const inner = client[method].bind(client);
    client[method] = async (...of) => {
      const operation: Ended = [];
      running.add(operation);
      try {
        beginning = operation;
        const result = inner(...of);
        beginning = undefined;
        const value = await result;
        const cause = (await Promise.all(operation)).find((why) => why !== undefined);
        if (cause !== undefined) throw failed(cause);
        return value;
      } finally {
        beginning = undefined;
        running.delete(operation);
      }
    };
  }
}

/** Resolves with why a transaction was aborted; with nothing if it was completed. */
function endOf(transaction: IDBTransaction, stores: string | Iterable<string>): Promise<unknown> {
  return new Promise((resolve) => {
    transaction.addEventListener("complete", () => resolve(undefined));
    transaction.addEventListener("abort", () => {
      const { error } = transaction;
      // So it learns that a value is stored already.
      if (stores === "coValues" && error?.name === "ConstraintError") resolve(undefined);
      else resolve(error ?? "the transaction was rolled back");
    });
  });
}
