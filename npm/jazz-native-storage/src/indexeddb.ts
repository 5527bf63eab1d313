/**
 * What stands in for cojson-storage-indexeddb: where a bundler resolves that name to this module, an app that uses it, as
 * jazz-tools does in browsers, stores with us and needs no other change.
 */
import type { JazzNativeStorage } from "./jazz-native-storage.js";
import type { NativeStorageOptions } from "./options.js";
import { createNativeStorage } from "./web/browser.js";

let databaseName: string | undefined;
let further: Omit<NativeStorageOptions, "dbName"> = {};

/** The name of the database from now on; jazz-tools' default is `"jazz-storage"`. */
export function internal_setDatabaseName(name: string): void {
  databaseName = name;
}

/**
 * Further options of storages that are opened from now on, such as `onDegraded`: for apps that import this module by its own
 * name, before jazz-tools opens its storage.
 */
export function configureStorage(options: Omit<NativeStorageOptions, "dbName">): void {
  further = options;
}

/** Opens a database of this origin, creating it if absent. Rejects with a `NativeStorageError`. */
export async function getIndexedDBStorage(name?: string): Promise<JazzNativeStorage> {
  return await createNativeStorage({ ...further, dbName: name ?? databaseName });
}
