/** What is known of migrations that were completed: a database of our own, which has a record for each database. */
import { type Extent, settled } from "./jazz-indexeddb.js";

const NAME = "jazz-native-storage:migrations";
const STORE = "migrations";

export interface MigrationRecord {
  readonly dbName: string;
  /** What there was when all of it was copied and compared. */
  readonly extent: Extent;
  /** Ids of values that the engine does not have as they are there. */
  readonly incomplete: readonly string[];
}

export async function readRecord(dbName: string): Promise<MigrationRecord | undefined> {
  return await withStore("readonly", (records) => records.get(dbName));
}

export async function writeRecord(record: MigrationRecord): Promise<void> {
  await withStore("readwrite", (records) => records.put(record));
}

export async function deleteRecord(dbName: string): Promise<void> {
  await withStore("readwrite", (records) => records.delete(dbName));
}

/** Whether a record is one of what is there now. */
export function isOf(record: MigrationRecord, extent: Extent): boolean {
  return (Object.keys(extent) as (keyof Extent)[]).every((what) => record.extent[what] === extent[what]);
}

async function withStore<T>(
  mode: IDBTransactionMode,
  question: (records: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "dbName" });
  const db = await settled(request);
  try {
    const transaction = db.transaction(STORE, mode);
    const completed = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
    const [answer] = await Promise.all([settled(question(transaction.objectStore(STORE))), completed]);
    return answer;
  } finally {
    db.close();
  }
}
