/** The storages that are compared and the floors beside them, each opened in a directory of its own. */
import { join } from "node:path";
import { getSqliteStorage } from "cojson";
import { createNativeStorage } from "jazz-native-storage";
import {
  AppendingStorage,
  EncodingStorage,
  NothingStorage,
  SyncingStorage,
  TogetherSyncingStorage,
} from "./floors.mjs";
import { openDriver } from "./sqlite-driver.mjs";

/**
 * @typedef {import("cojson").StorageAPI} StorageAPI
 * @typedef {import("jazz-native-storage").JazzNativeStorage} JazzNativeStorage
 * @typedef {import("jazz-native-storage").NativeStorageOptions} NativeStorageOptions
 * @typedef {import("./sqlite-driver.mjs").Settings} SqliteSettings
 *
 * @typedef {object} Opened
 * @property {StorageAPI} storage
 * @property {() => Promise<void>} close Closes the storage, leaving everything in its files.
 * @property {() => Promise<void>} check Makes sure that it works at the durability it is compared at.
 * @property {JazzNativeStorage} [native] The same storage, if it is ours.
 * @property {string} [sqlite] The version of SQLite in it, if any.
 *
 * @typedef {object} Peer
 * @property {string} label
 * @property {"none" | "process" | "power"} level what a finished store survives: nothing, a crash of the process, a power cut
 * @property {"ours" | "peer" | "floor"} kind
 * @property {"sync" | "async"} delivery
 * @property {boolean} [newer] runs in a Node that has `node:sqlite`, if the others' Node has none
 * @property {string} [note]
 * @property {(directory: string) => Promise<Opened>} open
 */

/** @satisfies {Record<string, Peer>} */
export const PEERS = {
  native: ours("native", { flavour: "sync" }),
  "native-async": ours("native, async flavour", { flavour: "async" }),
  "native-newer": { ...ours("native, in the newer Node", { flavour: "sync" }), newer: true },
  "native-strict": ours("native, strict", { flavour: "sync", durability: "strict" }),
  "native-strict-async": ours("native, strict, async flavour", { flavour: "async", durability: "strict" }),
  "native-strict-newer": {
    ...ours("native, strict, in the newer Node", { flavour: "sync", durability: "strict" }),
    newer: true,
  },
  "native-strict-async-newer": {
    ...ours("native, strict, async flavour, in the newer Node", { flavour: "async", durability: "strict" }),
    newer: true,
  },
  "sqlite-cached": sqlite("SQLite, cached statements", {
    module: "better-sqlite3",
    synchronous: "NORMAL",
    cached: true,
  }),
  "sqlite-shipped": sqlite("SQLite, prepared per call", {
    module: "better-sqlite3",
    synchronous: "NORMAL",
    cached: false,
  }),
  libsql: sqlite("libsql", { module: "libsql", synchronous: "NORMAL", cached: true }),
  "node-sqlite": {
    ...sqlite("node:sqlite", { module: "node:sqlite", synchronous: "NORMAL", cached: true }),
    newer: true,
  },
  "sqlite-cached-full": sqlite("SQLite FULL, cached statements", {
    module: "better-sqlite3",
    synchronous: "FULL",
    cached: true,
  }),
  "sqlite-shipped-full": sqlite("SQLite FULL, prepared per call", {
    module: "better-sqlite3",
    synchronous: "FULL",
    cached: false,
  }),
  "libsql-full": sqlite("libsql FULL", { module: "libsql", synchronous: "FULL", cached: true }),
  "node-sqlite-full": {
    ...sqlite("node:sqlite FULL", { module: "node:sqlite", synchronous: "FULL", cached: true }),
    newer: true,
  },
  nothing: floor("floor: nothing", "none", "the harness alone", () => new NothingStorage()),
  encode: floor(
    "floor: encode",
    "none",
    "each message written by the package's codec",
    () => new EncodingStorage(),
  ),
  append: floor(
    "floor: encode, append",
    "process",
    "and appended to a file, one write each",
    (directory) => new AppendingStorage(join(directory, "log")),
  ),
  "append-sync": floor(
    "floor: encode, append, sync",
    "power",
    "and appended to a file, one write and one fdatasync each",
    (directory) => new SyncingStorage(join(directory, "log")),
  ),
  "append-sync-together": floor(
    "floor: encode, append, sync together",
    "power",
    "and appended to a file, one write each, and one fdatasync for all that wait for one",
    (directory) => new TogetherSyncingStorage(join(directory, "log")),
  ),
};

/** @typedef {keyof typeof PEERS} PeerName */

export const PEER_NAMES = /** @type {PeerName[]} */ (Object.keys(PEERS));

/**
 * @param {string} name
 * @returns {name is PeerName}
 */
export function isPeer(name) {
  return Object.hasOwn(PEERS, name);
}

/**
 * @param {PeerName} name
 * @returns {Peer}
 */
export function peerOf(name) {
  return PEERS[name];
}

/**
 * Ours that a storage is compared with: of the same level, in the same Node, and with many messages in flight the flavour
 * that is made for it.
 *
 * @param {string} name
 * @param {string} phase
 * @param {readonly string[]} measured what was measured in this phase
 * @returns {string}
 */
export function reference(name, phase, measured) {
  const strict = phase === "store-alone" ? "-strict" : phase === "store-64" ? "-strict-async" : "";
  const newer = `native${strict}-newer`;
  if (isPeer(name) && peerOf(name).newer && measured.includes(newer)) return newer;
  return `native${strict}`;
}

/**
 * @param {string} label
 * @param {Omit<NativeStorageOptions, "path"> & { flavour: "sync" | "async" }} options
 * @returns {Peer}
 */
function ours(label, options) {
  const durability = options.durability ?? "relaxed";
  return {
    label,
    level: durability === "strict" ? "power" : "process",
    kind: "ours",
    delivery: options.flavour,
    async open(directory) {
      const native = await createNativeStorage({ path: join(directory, "jazz"), ...options });
      return {
        storage: native,
        native,
        async check() {
          const { durability: actual } = await native.stats();
          if (actual !== durability) throw new Error(`${label}: works at ${actual}, not ${durability}`);
        },
        async close() {
          await native.close();
        },
      };
    },
  };
}

/**
 * @param {string} label
 * @param {SqliteSettings} settings
 * @returns {Peer}
 */
function sqlite(label, settings) {
  return {
    label,
    level: settings.synchronous === "FULL" ? "power" : "process",
    kind: "peer",
    delivery: "sync",
    async open(directory) {
      const { driver, check, version } = await openDriver(join(directory, "jazz.db"), settings);
      const storage = getSqliteStorage(driver);
      return {
        storage,
        get sqlite() {
          return version();
        },
        async check() {
          check();
        },
        async close() {
          await storage.close();
          driver.closeDb();
        },
      };
    },
  };
}

/**
 * @param {string} label
 * @param {Peer["level"]} level
 * @param {string} note
 * @param {(directory: string) => StorageAPI} make
 * @returns {Peer}
 */
function floor(label, level, note, make) {
  return {
    label,
    level,
    kind: "floor",
    delivery: "sync",
    note,
    async open(directory) {
      const storage = make(directory);
      return {
        storage,
        async check() {},
        async close() {
          await storage.close();
        },
      };
    },
  };
}
