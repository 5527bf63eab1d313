/**
 * What cojson-storage-indexeddb has stored, read row by row: a database of its schema, of which nothing is changed here. A
 * database of another schema is none.
 */
import type { RawCoID } from "cojson";
import type { CoValueHeader, SyncStateUpdate, Transaction } from "../cojson-internals.js";
import { NativeStorageError } from "../errors.js";

/** Stores that any version of the schema has. */
const STORES = ["coValues", "sessions", "transactions", "signatureAfter"];
/** Values read at a time. */
const PAGE = 256;

/** How much a database has: changed by whatever is stored. */
export interface Extent {
  readonly coValues: number;
  readonly sessions: number;
  readonly transactions: number;
  readonly deleted: number;
  readonly unsynced: number;
}

export interface OldCoValue {
  readonly rowID: number;
  readonly id: RawCoID;
  readonly header: CoValueHeader;
}

export interface OldSession {
  readonly rowID: number;
  readonly sessionID: string;
  readonly lastIdx: number;
  readonly lastSignature: string;
}

/** A signature, and the index of the transaction that it follows. */
export interface OldSignature {
  readonly idx: number;
  readonly signature: string;
}

export class JazzIndexedDb {
  private constructor(private readonly db: IDBDatabase) {
    // Whoever deletes or upgrades it goes first: reading fails then, and is begun again at the next opening.
    db.onversionchange = () => db.close();
  }

  /** Opens the database of a name; nothing if there is none, or it is no such database. Creates none. */
  static async open(name: string): Promise<JazzIndexedDb | undefined> {
    if (typeof indexedDB === "undefined") return undefined;
    // Not in all browsers.
    const all = await indexedDB.databases?.().catch(() => undefined);
    if (all && !all.some((database) => database.name === name)) return undefined;
    const db = await openExisting(name);
    if (!db) return undefined;
    if (STORES.every((store) => db.objectStoreNames.contains(store))) return new JazzIndexedDb(db);
    db.close();
    return undefined;
  }

  async extent(): Promise<Extent> {
    const [coValues, sessions, transactions, deleted, unsynced] = await Promise.all(
      ["coValues", "sessions", "transactions", "deletedCoValues", "unsyncedCoValues"].map((store) =>
        this.#ask(store, 0, (rows) => rows.count()),
      ),
    );
    return { coValues, sessions, transactions, deleted, unsynced } as Extent;
  }

  /** All values, in the order in which they were first stored. */
  async *coValues(): AsyncGenerator<OldCoValue> {
    for (let last = 0; ; ) {
      const page = await this.#ask<OldCoValue[]>("coValues", [], (rows) =>
        rows.getAll(IDBKeyRange.lowerBound(last, true), PAGE),
      );
      yield* page;
      const end = page.at(-1);
      if (!end) return;
      last = end.rowID;
    }
  }

  sessions(coValue: OldCoValue): Promise<OldSession[]> {
    return this.#ask<OldSession[]>("sessions", [], (rows) =>
      rows.index("sessionsByCoValue").getAll(coValue.rowID),
    );
  }

  /** The signatures within a session and that at its end. */
  async signatures({ rowID, lastIdx, lastSignature }: OldSession): Promise<OldSignature[]> {
    const within = await this.#ask<OldSignature[]>("signatureAfter", [], (rows) =>
      rows.getAll(rangeOf(rowID, 0, lastIdx - 1)),
    );
    if (lastIdx > 0 && within.at(-1)?.idx !== lastIdx - 1) {
      within.push({ idx: lastIdx - 1, signature: lastSignature });
    }
    return within;
  }

  /** Transactions of a session, from one to another, both included. */
  async transactions({ rowID }: OldSession, from: number, to: number): Promise<Transaction[]> {
    const rows = await this.#ask<{ idx: number; tx: Transaction }[]>("transactions", [], (store) =>
      store.getAll(rangeOf(rowID, from, to)),
    );
    return rows.map(({ tx }) => tx);
  }

  /** Ids of values whose deletion was valid, whether or not their content is erased. */
  async deleted(): Promise<Set<string>> {
    const ids = await this.#ask<IDBValidKey[]>("deletedCoValues", [], (rows) => rows.getAllKeys());
    return new Set(ids as string[]);
  }

  async unsynced(): Promise<SyncStateUpdate[]> {
    const rows = await this.#ask<{ coValueId: RawCoID; peerId: SyncStateUpdate["peerId"] }[]>(
      "unsyncedCoValues",
      [],
      (store) => store.getAll(),
    );
    return rows.map(({ coValueId: id, peerId }) => ({ id, peerId, synced: false }));
  }

  close(): void {
    this.db.close();
  }

  /** Of a store that this version of the schema lacks, `none`. */
  #ask<T>(store: string, none: T, question: (rows: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    if (!this.db.objectStoreNames.contains(store)) return Promise.resolve(none);
    return settled(question(this.db.transaction(store, "readonly").objectStore(store)));
  }
}

export function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function openExisting(name: string): Promise<IDBDatabase | undefined> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    let isNew = false;
    request.onupgradeneeded = () => {
      isNew = true;
      request.transaction?.abort();
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => {
      if (isNew) resolve(undefined);
      else reject(unreadable(name, request.error));
    };
  });
}

/** Not a missing capability: there is something, and it must not be passed over. */
export function unreadable(name: string, cause: unknown): NativeStorageError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new NativeStorageError(
    "IO",
    `the IndexedDB database ${JSON.stringify(name)} cannot be read to be migrated (${detail}); it is as it was: ` +
      "try again, or open without it by migrate: false",
    { cause },
  );
}

function rangeOf(session: number, from: number, to: number): IDBKeyRange {
  return IDBKeyRange.bound([session, from], [session, Math.max(from, to)]);
}
