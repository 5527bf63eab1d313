/**
 * Moves what cojson-storage-indexeddb has stored into the engine.
 *
 * - One context does it at a time, by a Web Lock; the others wait, and find it done.
 * - What the engine has already is not stored again, so a migration that was interrupted goes on where it was.
 * - Everything is read back from the engine and compared with what was read from IndexedDB, transaction by transaction and
 *   signature by signature, before it counts as done.
 * - Of deleted values only the deletion is moved, which is what an erasure leaves of them.
 * - The old database is only read. It goes by `dropFallback`, which asks for the record of a migration of all there is.
 */
import { readCounters, writeSyncStateUpdates } from "../codec/lists.js";
import { readPiece } from "../codec/loaded.js";
import { readOutcome, writeMessage } from "../codec/messages.js";
import { ByteReader } from "../codec/reader.js";
import { ByteWriter } from "../codec/writer.js";
import { type ContentMessage, type SessionContent, TRANSACTION_CONFIG } from "../cojson-internals.js";
import { NativeStorageError } from "../errors.js";
import type { MigrationEvent } from "../options.js";
import type { AsyncNativeStorage } from "../storage-base.js";
import { JazzIndexedDb, type OldCoValue, type OldSession, unreadable } from "./jazz-indexeddb.js";
import { deleteRecord, isOf, readRecord, writeRecord } from "./migration-record.js";
import { migrationLock } from "./names.js";

/** Values copied at a time. */
const AT_ONCE = 64;
/** How long a tab that is being closed may have the old database open. */
const CLOSING_MS = 3000;
/** Progress is told after so many milliseconds. */
const TELL_MS = 200;

type Tell = (event: MigrationEvent) => void;

/** Resolves when the engine has all that the IndexedDB database of this name has, or there is none. */
export async function migrate(dbName: string, engine: AsyncNativeStorage, tell: Tell): Promise<void> {
  if (!(await isDue(dbName, engine))) return;
  await navigator.locks.request(migrationLock(dbName), async () => {
    const old = await JazzIndexedDb.open(dbName);
    if (!old) return;
    try {
      if (await needsMigration(dbName, old, engine)) await new Migration(dbName, old, engine, tell).run();
    } finally {
      old.close();
    }
  });
}

/** Deletes an IndexedDB database whose content the engine has. */
export async function dropMigrated(dbName: string, force: boolean): Promise<void> {
  await navigator.locks.request(migrationLock(dbName), async () => {
    const old = await JazzIndexedDb.open(dbName);
    if (!old) return;
    try {
      const record = await readRecord(dbName);
      const isWhole = record && isOf(record, await old.extent());
      if (!force && (!isWhole || record.incomplete.length > 0)) {
        const why = isWhole
          ? `${record.incomplete.length} of its values are not in the engine as they are there`
          : "not all of it is migrated: open the store first";
        throw new NativeStorageError("INVALID_OPTION", `${JSON.stringify(dbName)} is kept: ${why}`);
      }
    } finally {
      old.close();
    }
    await deleteDatabase(dbName);
    await deleteRecord(dbName);
  });
}

async function isDue(dbName: string, engine: AsyncNativeStorage): Promise<boolean> {
  const old = await JazzIndexedDb.open(dbName);
  if (!old) return false;
  try {
    return await needsMigration(dbName, old, engine);
  } finally {
    old.close();
  }
}

async function needsMigration(
  dbName: string,
  old: JazzIndexedDb,
  engine: AsyncNativeStorage,
): Promise<boolean> {
  const extent = await old.extent();
  if (extent.coValues === 0) return false;
  const record = await readRecord(dbName);
  if (!record || !isOf(record, extent)) return true;
  // The record may outlive the files.
  return (await engine.coValueCountAsync()) === 0;
}

class Migration {
  readonly #writer = new ByteWriter();
  readonly #incomplete: string[] = [];
  #deleted: ReadonlySet<string> = new Set();
  #done = 0;
  #total = 0;
  #told = 0;

  constructor(
    private readonly dbName: string,
    private readonly old: JazzIndexedDb,
    private readonly engine: AsyncNativeStorage,
    private readonly tell: Tell,
  ) {}

  async run(): Promise<void> {
    // Of before: what is stored meanwhile by a tab with an older app makes another one due.
    const extent = await this.old.extent();
    this.#total = extent.coValues;
    this.#tell("migrating");
    this.#deleted = await this.old.deleted();
    const values = this.old.coValues();
    const copy = async () => {
      for (let next = await values.next(); !next.done; next = await values.next()) {
        if (!(await this.#copy(next.value))) this.#incomplete.push(next.value.id);
        this.#done++;
        if (performance.now() - this.#told > TELL_MS) this.#tell("migrating");
      }
    };
    const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, copy));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw this.#failure(outcome.reason);
    const unsynced = await this.old.unsynced();
    writeSyncStateUpdates(this.#writer.reset(), unsynced);
    await this.engine.trackSyncStateAsync(this.#writer.copy());
    // The record is not to be there before what it is of.
    await this.engine.flushAsync();
    await writeRecord({ dbName: this.dbName, extent, incomplete: this.#incomplete });
    this.#tell("migrated");
  }

  /** True if the engine has the value as it is in the old database, or more of it. */
  async #copy(value: OldCoValue): Promise<boolean> {
    const sessions = await this.old.sessions(value);
    let isWhole = true;
    let stored = await this.#counters(value.id);
    if (!stored) {
      await this.#store(value, {});
      stored = new Map();
    }
    for (const session of sessions) {
      // What is to be erased need not come, and what the engine has erased must not come back.
      if (this.#deleted.has(value.id) && !session.sessionID.endsWith("$")) continue;
      const counter = stored.get(session.sessionID) ?? 0;
      if (!(await this.#copySession(value, session, counter))) isWhole = false;
    }
    return isWhole;
  }

  /** Copies a session piece by piece, each ending at a signature, and reads back each. */
  async #copySession(value: OldCoValue, session: OldSession, stored: number): Promise<boolean> {
    // A delete that is stored already still has to count as valid.
    const marks = this.#deleted.has(value.id) && session.sessionID.endsWith("$");
    let after = 0;
    for (const { idx, signature } of await this.old.signatures(session)) {
      const newTransactions = await this.old.transactions(session, after, idx);
      if (newTransactions.length !== idx + 1 - after) return false;
      const content = { after, newTransactions, lastSignature: signature } as SessionContent;
      if (idx >= stored || marks) {
        if (!(await this.#store(value, { [session.sessionID]: content }))) return false;
      }
      if (!(await this.#has(value.id, session.sessionID, content, stored))) return false;
      after = idx + 1;
    }
    return after === session.lastIdx;
  }

  async #store({ id, header }: OldCoValue, sessions: Record<string, SessionContent>): Promise<boolean> {
    const message = { action: "content", id, header, priority: 0, new: sessions } as ContentMessage;
    writeMessage(this.#writer.reset(), message, {
      deleteIsValid: this.#deleted.has(id),
      chunkThreshold: TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE,
    });
    return readOutcome(await this.engine.storeAsync(this.#writer.copy())).status === "stored";
  }

  /** Whether the engine has these transactions. Where it had more before, its signatures may stand elsewhere. */
  async #has(id: string, session: string, content: SessionContent, before: number): Promise<boolean> {
    const { after, newTransactions, lastSignature } = content;
    const end = after + newTransactions.length;
    for (let at = after; at < end; ) {
      const bytes = await this.engine.loadPieceAsync(this.#bytesOf(id), this.#bytesOf(session), at, end - at);
      if (!bytes) return false;
      const piece = readPiece(new ByteReader(bytes), at);
      const count = Math.min(piece.newTransactions.length, end - at);
      if (count === 0) return false;
      for (let n = 0; n < count; n++) {
        if (!isSame(piece.newTransactions[n], newTransactions[at - after + n])) return false;
      }
      at += piece.newTransactions.length;
      if (at === end && before <= end && piece.lastSignature !== lastSignature) return false;
    }
    return true;
  }

  async #counters(id: string): Promise<Map<string, number> | undefined> {
    const bytes = await this.engine.knownStateAsync(this.#bytesOf(id));
    if (!bytes) return undefined;
    const counters = new Map<string, number>();
    readCounters(new ByteReader(bytes), (session, counter) => counters.set(session, counter));
    return counters;
  }

  #bytesOf(id: string): Uint8Array {
    this.#writer.reset().bare(id);
    return this.#writer.copy();
  }

  #failure(error: unknown): unknown {
    return error instanceof NativeStorageError ? error : unreadable(this.dbName, error);
  }

  #tell(kind: MigrationEvent["kind"]): void {
    this.#told = performance.now();
    const incomplete = [...this.#incomplete];
    const lacking = incomplete.length > 0 ? `; ${incomplete.length} could not be as they are there` : "";
    const message = `${this.#done} of ${this.#total} values were moved from IndexedDB${lacking}`;
    this.tell({ kind, done: this.#done, total: this.#total, incomplete, message });
  }
}

/** Whether two values that came from JSON are the same; the order of properties does not matter. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const ofA = Object.entries(a).filter(([, value]) => value !== undefined);
  const ofB = Object.entries(b).filter(([, value]) => value !== undefined);
  return (
    ofA.length === ofB.length &&
    ofA.every(([name, value]) => isSame(value, (b as Record<string, unknown>)[name]))
  );
}

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(unreadable(name, request.error));
    request.onblocked = () => {
      const message = `${JSON.stringify(name)} is open in another tab; it goes when that is closed`;
      setTimeout(() => reject(new NativeStorageError("LOCKED", message)), CLOSING_MS);
    };
  });
}
