/** The storages that are compared, each opened in a directory of its own. */
import { join } from "node:path";
import { getSqliteStorage } from "cojson";
import { createNativeStorage } from "jazz-native-storage";
import { cachingDriver, preparingDriver } from "./sqlite-driver.mjs";

/**
 * @typedef {import("jazz-native-storage").JazzNativeStorage} JazzNativeStorage
 *
 * @typedef {object} Opened
 * @property {import("cojson").StorageAPI} storage
 * @property {() => Promise<void>} close Closes the storage, leaving everything in its files.
 * @property {JazzNativeStorage} [native] The same storage, if it is ours.
 *
 * @typedef {object} Peer
 * @property {string} label
 * @property {(directory: string) => Promise<Opened>} open
 */

/** @satisfies {Record<string, Peer>} */
export const PEERS = {
  native: {
    label: "native",
    open: (directory) => openNative(directory, "sync"),
  },
  "native-async": {
    label: "native, async flavour",
    open: (directory) => openNative(directory, "async"),
  },
  "sqlite-cached": {
    label: "SQLite, cached statements",
    open: async (directory) => openSqlite(cachingDriver(join(directory, "jazz.db"))),
  },
  "sqlite-shipped": {
    label: "SQLite, prepared per call",
    open: async (directory) => openSqlite(preparingDriver(join(directory, "jazz.db"))),
  },
};

/** @typedef {keyof typeof PEERS} PeerName */

/**
 * @param {string} name
 * @returns {name is PeerName}
 */
export function isPeer(name) {
  return Object.hasOwn(PEERS, name);
}

/**
 * @param {string} directory
 * @param {"sync" | "async"} flavour
 * @returns {Promise<Opened>}
 */
async function openNative(directory, flavour) {
  const native = await createNativeStorage({ path: join(directory, "jazz"), flavour });
  return {
    storage: native,
    native,
    async close() {
      await native.close();
    },
  };
}

/**
 * @param {import("cojson").SQLiteDatabaseDriver} driver
 * @returns {Opened}
 */
function openSqlite(driver) {
  const storage = getSqliteStorage(driver);
  return {
    storage,
    async close() {
      await storage.close();
      driver.closeDb();
    },
  };
}
