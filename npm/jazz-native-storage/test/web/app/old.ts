/** Real nodes on cojson-storage-indexeddb or on ours, as an app of before and one of now have them. */
import { LocalNode, type RawCoID, type RawCoMap, type StorageAPI } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { getIndexedDBStorage } from "cojson-storage-indexeddb";
import { createNativeStorage, dropFallback, type NativeStorageOptions } from "jazz-native-storage";
import { message } from "./messages.js";

/** What is told of a migration, a fallback or the like, in order. */
const told: unknown[] = [];
const LONG = "x".repeat(2000);

interface Made {
  account: string;
  secret: string;
  group: string;
  maps: string[];
  big: string;
  deleted: string[];
}

const old = {
  told,
  message,

  indexedDb: (dbName: string): Promise<StorageAPI> => getIndexedDBStorage(dbName),

  native: (dbName: string, options: NativeStorageOptions = {}) =>
    createNativeStorage({
      dbName,
      onEvent: (event) => told.push(event),
      onFallback: (event) => told.push(event),
      onDegraded: ({ code }) => told.push({ degraded: code }),
      ...options,
    }),

  /** An account, a group, so many maps, one of them with a long session, and some deleted ones. */
  async make(storage: StorageAPI, count: number, long: number): Promise<Made> {
    const { node, accountID, accountSecret } = await LocalNode.withNewlyCreatedAccount({
      creationProps: { name: "tester" },
      crypto: await WasmCrypto.create(),
      storage,
    });
    const group = node.createGroup();
    const maps: RawCoMap[] = [];
    for (let n = 0; n < count; n++) {
      const map = group.createMap();
      map.set("n", n);
      maps.push(map);
      if (n % 200 === 199) await node.syncManager.waitForAllCoValuesSync();
    }
    const big = group.createMap();
    for (let n = 0; n < long; n++) big.set(`key${n % 50}`, `${n}${LONG}`);
    const deleted = maps.slice(0, Math.min(5, count));
    for (const map of deleted) map.core.deleteCoValue();
    await node.syncManager.waitForAllCoValuesSync();
    await storage.close();
    return {
      account: accountID,
      secret: accountSecret,
      group: group.id,
      big: big.id,
      maps: maps.map(({ id }) => id),
      deleted: deleted.map(({ id }) => id),
    };
  },

  /** What a fresh node reads of it that is not as it was made. */
  async wrong(storage: StorageAPI, { account, secret, maps, big, deleted }: Made, long: number) {
    const node = await LocalNode.withLoadedAccount({
      accountID: account as never,
      accountSecret: secret as never,
      sessionID: undefined,
      peers: [],
      crypto: await WasmCrypto.create(),
      storage,
    });
    const wrong: string[] = [];
    for (const [n, id] of maps.entries()) {
      const value = await node.load(id as never);
      if (deleted.includes(id)) {
        if (!node.getCoValue(id as RawCoID).isDeleted) wrong.push(`${id} is not deleted`);
      } else if (value === "unavailable" || (value as unknown as RawCoMap).get("n") !== n) wrong.push(id);
    }
    if (long > 0) {
      const value = (await node.load(big as never)) as unknown as RawCoMap | "unavailable";
      const last = long - 1;
      const isThere = () => value !== "unavailable" && value.get(`key${last % 50}`) === `${last}${LONG}`;
      // The first of its pieces makes it available.
      for (let tries = 0; tries < 100 && !isThere(); tries++)
        await new Promise((over) => setTimeout(over, 50));
      if (!isThere()) wrong.push("the long one");
    }
    await node.gracefulShutdown();
    return wrong;
  },

  /** Migration and reading by a fresh node. */
  async open(dbName: string, made: Made, long: number, options: NativeStorageOptions = {}) {
    const storage = await old.native(dbName, options);
    const { backing } = storage;
    return { backing, wrong: await old.wrong(storage, made, long) };
  },

  /** Sessions that the engine has of a value. */
  async sessions(dbName: string, id: string) {
    const storage = await old.native(dbName);
    return await new Promise((of) =>
      storage.loadKnownState(id, (known) => of(Object.keys(known?.sessions ?? {}))),
    );
  },

  /** The pieces in which a value is delivered. */
  async pieces(storage: StorageAPI, id: string) {
    let pieces = 0;
    await new Promise((done) =>
      storage.load(
        id,
        (message) => {
          if (message.id === id) pieces++;
        },
        done,
      ),
    );
    return pieces;
  },

  dropFallback: (dbName: string, options?: { force?: boolean }) =>
    dropFallback(dbName, options).then(
      () => "dropped",
      ({ code, message }) => ({ code, message }),
    ),

  names: async () => (await indexedDB.databases()).map(({ name }) => name),

  /** Changes a transaction in IndexedDB. */
  async tamper(dbName: string) {
    const settled = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const db = await settled(indexedDB.open(dbName));
    const rows = db.transaction("transactions", "readwrite").objectStore("transactions");
    const [row] = await settled(rows.getAll(undefined, 1));
    row.tx.madeAt++;
    await settled(rows.put(row));
    db.close();
    return row.ses as number;
  },
};

Object.assign(globalThis, { old });
