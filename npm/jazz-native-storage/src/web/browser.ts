/** Native storage for Jazz in browsers: an engine in a worker, over the browser's private file system, for all tabs. */
import { logger } from "cojson";
import { NativeStorageError } from "../errors.js";
import type { BackupResult } from "../generated/native.js";
import type { JazzNativeStorage } from "../jazz-native-storage.js";
import type { NativeStorageEvent, NativeStorageOptions } from "../options.js";
import { type RepairOptions, type RestoreOptions, watched } from "../upkeep.js";
import { Alone } from "./alone.js";
import { validateBrowserOptions } from "./browser-options.js";
import { BrowserStorage } from "./browser-storage.js";
import { Connection } from "./connection.js";
import { Database } from "./database.js";
import { unavailable } from "./failure.js";
import { openFallback } from "./fallback.js";
import { type Hosted, startInWorker } from "./hosting.js";
import { dropMigrated, migrate } from "./migration.js";
import { askToPersist } from "./origin.js";
import type { OpenRequest } from "./protocol.js";
import { RemoteStorage } from "./remote-storage.js";
import { checkRestore, RestoreTask, restore } from "./restore.js";
import { startWorker } from "./starting.js";

export type { JazzNativeStorage } from "../jazz-native-storage.js";
export { NativeStorageError };

const PERSISTENCE = {
  true: "the browser keeps what is stored until the user deletes it",
  false: "the browser may delete what is stored when it needs room",
};

/** The name that jazz-tools gives its IndexedDB database. */
const DEFAULT_NAME = "jazz-storage";

/** The databases of this context, by name. */
const databases = new Map<string, Database>();

/**
 * Opens a database of this origin, creating it if absent, and moves in what IndexedDB has under its name. Where the browser
 * lacks what the engine needs, another storage is opened, as `fallback` says, and `onFallback` is told. Rejects with a
 * {@link NativeStorageError}.
 */
export async function createNativeStorage(options: NativeStorageOptions = {}): Promise<JazzNativeStorage> {
  validateBrowserOptions(options);
  const { dbName = DEFAULT_NAME, durability, cacheBytes, segmentBytes, deltaBytes, bufferBytes } = options;
  const { persist } = options;
  const request: OpenRequest = { durability, cacheBytes, segmentBytes, deltaBytes, bufferBytes };
  if (durability === "memory") return await openInMemory(request, options);
  const storage = await openEngine(dbName, request, options).catch((error) =>
    openFallback(dbName, error, options, () => openInMemory({ ...request, durability: "memory" }, options)),
  );
  if (persist) {
    // Not waited for, as some browsers ask the user.
    askToPersist().then((granted) =>
      tell(options, { kind: "persistence", granted, message: PERSISTENCE[`${granted}`] }),
    );
  }
  return storage;
}

async function openEngine(
  dbName: string,
  request: OpenRequest,
  options: NativeStorageOptions,
): Promise<JazzNativeStorage> {
  if (!navigator.locks || !crypto.randomUUID) {
    throw unavailable("the engine needs a secure context: https, or localhost");
  }
  const database = databaseOf(dbName);
  const remote = await open(database, request);
  if (options.migrate ?? true) {
    try {
      await migrate(dbName, remote, (event) => tell(options, event));
    } catch (error) {
      await remote.closeAsync().catch(() => {});
      throw error;
    }
  }
  return new BrowserStorage(remote, options, "opfs");
}

async function openInMemory(request: OpenRequest, options: NativeStorageOptions): Promise<JazzNativeStorage> {
  return new BrowserStorage(await open(new Alone(() => start(undefined)), request), options, "memory");
}

/**
 * Deletes the IndexedDB database of this name, once all of it was moved into the engine. Rejects with a
 * {@link NativeStorageError} if it was not, unless `force` is set.
 */
export async function dropFallback(
  dbName = DEFAULT_NAME,
  { force = false }: { readonly force?: boolean } = {},
): Promise<void> {
  await dropMigrated(dbName, force);
}

/** Rejects: a browser opens stores asynchronously. Here so that what is imported for all platforms is there. */
export function createNativeStorageSync(_options: NativeStorageOptions): never {
  throw unavailable("a browser opens its files asynchronously: use createNativeStorage");
}

/** Makes a database of an archive, checks all of it, and leaves it closed. Rejects with a {@link NativeStorageError}. */
export async function restoreBackup(options: RestoreOptions): Promise<BackupResult> {
  const checked = checkRestore(options);
  const task = new RestoreTask();
  return await watched(task, options, () => restore(startWorker, checked, task));
}

/** Rejects: there are no paths in a browser. */
export async function repairNativeStorage(_options: RepairOptions): Promise<never> {
  throw unavailable("a browser has no path of a store to repair");
}

function open(database: Database | Alone, request: OpenRequest): Promise<RemoteStorage> {
  return new Promise((resolve, reject) => {
    let isOpen = false;
    const connection: Connection = new Connection(request, {
      opened: (error) => {
        if (!error) {
          isOpen = true;
          resolve(remote);
        } else if (!isOpen) {
          database.remove(connection);
          reject(error);
        }
        // An engine that takes over and cannot open the store says so in answer to each call.
      },
      failed: reject,
      told: (message) => {
        if (message.kind === "event") remote.happened(message.event);
        else if (message.kind === "piece") remote.piece(message.task, message.at, message.bytes);
        else remote.progressed(message.task, message.progress);
      },
    });
    const remote = new RemoteStorage(connection, {
      wake: () => database.add(connection),
      rest: () => database.remove(connection),
    });
    database.add(connection);
  });
}

function databaseOf(name: string): Database {
  let database = databases.get(name);
  if (!database) {
    if (databases.size === 0) followLifecycle();
    database = new Database(name, typeof Worker === "undefined" ? undefined : () => start(name));
    databases.set(name, database);
  }
  return database;
}

/**
 * A page that does nothing any more, but is kept, must not lead. One that is left for good goes with its worker, which is not
 * ended before that: what was stored just before is in its queue.
 */
function followLifecycle(): void {
  if (typeof document === "undefined") return;
  const rest = () => {
    for (const database of databases.values()) database.rest();
  };
  const resume = () => {
    for (const database of databases.values()) database.resume();
  };
  document.addEventListener("freeze", rest);
  document.addEventListener("resume", resume);
  addEventListener("pagehide", ({ persisted }) => persisted && rest());
  addEventListener("pageshow", ({ persisted }) => persisted && resume());
}

/** Whether there is an engine in this context, or was. */
let wasHere = false;

/** Starts an engine: in a worker, or here if this is one. */
async function start(database: string | undefined): Promise<Hosted> {
  if (wasHere || !("DedicatedWorkerGlobalScope" in globalThis)) {
    return await startInWorker(await startWorker(), database);
  }
  wasHere = true;
  const { startHere } = await import("./here.js");
  return await startHere(database);
}

/** A listener that throws ends nothing. */
function tell({ onEvent }: NativeStorageOptions, event: NativeStorageEvent): void {
  try {
    onEvent?.(event);
  } catch (err) {
    logger.error("onEvent threw", { err });
  }
}
