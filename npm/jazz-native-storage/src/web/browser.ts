/** Native storage for Jazz in browsers: an engine in a worker, over the browser's private file system, for all tabs. */
import { NativeStorageError } from "../errors.js";
import type { JazzNativeStorage } from "../jazz-native-storage.js";
import { NativeStorageAsync } from "../storage-async.js";
import { type BrowserStorageOptions, validateBrowserOptions } from "./browser-options.js";
import { Connection } from "./connection.js";
import { Database } from "./database.js";
import { type Hosted, startInWorker } from "./hosting.js";
import type { OpenRequest } from "./protocol.js";
import { RemoteStorage } from "./remote-storage.js";

export type { JazzNativeStorage } from "../jazz-native-storage.js";
export type { BrowserStorageOptions } from "./browser-options.js";
export { NativeStorageError };

/** The databases of this context, by name. */
const databases = new Map<string, Database>();

/** Opens a database of this origin, creating it if absent. Rejects with a {@link NativeStorageError}. */
export async function createNativeStorage(options: BrowserStorageOptions = {}): Promise<JazzNativeStorage> {
  validateBrowserOptions(options);
  const { dbName = "jazz-storage", onDegraded, onEvent, ...request } = options;
  const remote = await open(databaseOf(dbName), request);
  return new NativeStorageAsync(remote, { onDegraded, onEvent });
}

function open(database: Database, request: OpenRequest): Promise<RemoteStorage> {
  return new Promise((resolve, reject) => {
    const connection: Connection = new Connection(request, {
      opened: (error) => {
        if (!error) {
          resolve(remote);
          return;
        }
        database.remove(connection);
        reject(error);
      },
      failed: reject,
      told: (message) => {
        if (message.kind === "event") remote.happened(message.event);
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
    database = new Database(name, () => start(name));
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

async function start(database: string): Promise<Hosted> {
  return await startInWorker(
    new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
    database,
  );
}
