/**
 * What both flavours share: the state held in memory (rules M-1 to M-5), known states and those who wait for them, valid
 * deletes, and how failures are reported. Nothing here waits for the engine, except where a promise is given anyway.
 */
import { type CoValueCore, emptyKnownState, logger, type RawCoID } from "cojson";
import { readIds } from "./codec/lists.js";
import type { LoadedSession } from "./codec/loaded.js";
import { type StoreOutcome, writeMessage } from "./codec/messages.js";
import { ByteWriter } from "./codec/writer.js";
import {
  type AcquireResult,
  type ContentMessage,
  DeletedCoValuesEraserScheduler,
  type KnownState,
  type SessionContent,
  StorageKnownState,
  TRANSACTION_CONFIG,
} from "./cojson-internals.js";
import { isDegradation, NativeStorageError, toNativeStorageError } from "./errors.js";
import type {
  BackupResult,
  LockResult,
  NativeStorage,
  StorageStats,
  VerifyReport,
} from "./generated/native.js";
import { type CoValueReport, inspect } from "./inspect.js";
import type { Flavour, Listeners, NativeStorageEvent } from "./options.js";
import { setOwn } from "./own.js";
import { type BackupLocation, checkLocation, type UpkeepOptions, watched } from "./upkeep.js";

const U32_LIMIT = 0xffffffff;

/** What of a message is needed once it is stored, as it was when it was written. */
export interface Written {
  readonly id: RawCoID;
  readonly sessions: readonly string[];
  /** Where each session stands if exactly the message's content was stored. */
  readonly ends: readonly number[];
}

/** What the asynchronous flavour needs of the engine, here or elsewhere. */
export type AsyncNativeStorage = Pick<
  NativeStorage,
  | "storeAsync"
  | "storeBatchAsync"
  | "loadAsync"
  | "loadManyAsync"
  | "loadPieceAsync"
  | "knownStateAsync"
  | "pendingDeletionsAsync"
  | "eraseAsync"
  | "coValueIdsAsync"
  | "coValueCountAsync"
  | "trackSyncStateAsync"
  | "unsyncedIdsAsync"
  | "stopTrackingAsync"
  | "tryAcquireLockAsync"
  | "renewLockAsync"
  | "releaseLockAsync"
  | "flushAsync"
  | "compactAsync"
  | "verifyAsync"
  | "backupAsync"
  | "statsAsync"
  | "task"
  | "closeAsync"
> & {
  onEvent(listener: (event: NativeStorageEvent) => void): void;
  /**
   * Where a trip is dear: the value as `loadAsync` gives it, and after it, in turn, the id and the content of values that it
   * seems to depend on, which may be too many or too few. One that is not stored has no content.
   */
  loadWithDependenciesAsync?(id: Uint8Array, byteBudget: number): Promise<readonly Uint8Array[] | undefined>;
};

export abstract class StorageBase<Native extends AsyncNativeStorage> {
  abstract readonly flavour: Flavour;

  /** Rule M-1. Public as in cojson's own storages. */
  readonly knownStates = new StorageKnownState();
  /** Rule M-2: values delivered or taken in, and not unmounted since. */
  protected readonly inMemory = new Set<RawCoID>();
  /** Rule M-3. */
  private readonly validDeletes = new Set<RawCoID>();
  private readonly writer = new ByteWriter();
  private readonly idWriter = new ByteWriter();
  private scheduler: DeletedCoValuesEraserScheduler | undefined;
  private degraded = false;

  constructor(
    protected readonly native: Native,
    private readonly listeners: Listeners,
  ) {
    if (listeners.onDegraded === undefined && listeners.onEvent === undefined) return;
    // The engine keeps the function as long as the handle lives, which must not keep this storage alive in turn.
    const self = new WeakRef(this);
    native.onEvent((event) => self.deref()?.happened(event));
  }

  private happened(event: NativeStorageEvent): void {
    this.tell("onEvent", this.listeners.onEvent, event);
    if (event.kind === "writes_refused")
      this.report(new NativeStorageError(event.code ?? "LATCHED", event.message ?? ""));
  }

  getKnownState(id: string): KnownState {
    return this.knownStates.getKnownState(id);
  }

  waitForSync(id: string, coValue: CoValueCore): Promise<void> {
    return this.knownStates.waitForSync(id, coValue);
  }

  onCoValueUnmounted(id: RawCoID): void {
    this.inMemory.delete(id);
    this.knownStates.deleteKnownState(id);
  }

  markDeleteAsValid(id: RawCoID): void {
    this.validDeletes.add(id);
    this.scheduler?.onEnqueueDeletedCoValue();
  }

  enableDeletedCoValuesErasure(): void {
    if (this.scheduler) return;
    this.scheduler = new DeletedCoValuesEraserScheduler({ run: () => this.runScheduledErasure() });
    this.scheduler.scheduleStartupDrain();
  }

  /** Figures about the store. */
  async stats(): Promise<StorageStats> {
    return await this.attempt(this.native.statsAsync());
  }

  /** What is stored of a CoValue; nothing if it is not. A node that uses this storage does not notice. */
  async inspect(id: string): Promise<CoValueReport | undefined> {
    const isPending = async (of: string) => (await this.pendingDeletions()).includes(of as RawCoID);
    return await this.attempt(inspect(this.native, id, isPending));
  }

  /** Resolves when everything stored so far survives a power cut, whatever the durability. */
  async flush(): Promise<void> {
    await this.attempt(this.native.flushAsync());
  }

  /** Ids of deleted values that are waiting for their content to be erased. */
  async pendingDeletions(): Promise<RawCoID[]> {
    return readIds(await this.attempt(this.native.pendingDeletionsAsync())) as RawCoID[];
  }

  /** Gives room on disk back: nothing that was erased is left there afterwards. Loads and stores go on meanwhile. */
  async compact(): Promise<void> {
    try {
      await this.native.compactAsync();
    } catch (error) {
      // A store that lacks the room to compact keeps what it promised.
      const typed = toNativeStorageError(error);
      throw typed.code === "DISK_FULL" ? typed : this.report(typed);
    }
  }

  /** Copies the store as it is now, with everything that was stored before, while loads and stores go on. */
  async backup(target: BackupLocation, options: UpkeepOptions = {}): Promise<BackupResult> {
    const location = checkLocation("target", target);
    try {
      return await watched(this.native.task(), options, (task) => this.native.backupAsync(location, task));
    } catch (error) {
      // Any other failure is one of the target.
      throw error instanceof NativeStorageError && error.code === "CORRUPT" ? this.report(error) : error;
    }
  }

  /** Compares every checksum, and every entry of the index with the log, while loads and stores go on. */
  async verify(options: UpkeepOptions = {}): Promise<VerifyReport> {
    const report = await watched(this.native.task(), options, (task) => this.native.verifyAsync(task));
    const [first] = report.damage;
    if (first) {
      const { file, offset, detail } = first;
      const more = report.damage.length > 1 ? `, and ${report.damage.length - 1} more` : "";
      const message = `verification found damage in ${file} at offset ${offset}: ${detail}${more}`;
      this.report(new NativeStorageError("CORRUPT", message));
    }
    return report;
  }

  protected abstract runScheduledErasure(): Promise<{ hasMore: boolean }>;

  /** The part of `close` that needs no engine (rule X-1). The object stays usable (rules ). */
  protected forget(): void {
    this.scheduler?.dispose();
    this.scheduler = undefined;
    this.inMemory.clear();
    this.knownStates.knownStates.clear();
  }

  /** Ends the wait of those who wait for something to be stored, since nothing will be (rule Y-7). */
  protected settleWaiters(): void {
    for (const id of [...this.knownStates.waitForSyncRequests.keys()]) this.knownStates.deleteKnownState(id);
  }

  /** The bytes of a message, valid until the next one is written. */
  protected encode(message: ContentMessage): ByteWriter {
    const writer = this.writer.reset();
    this.write(writer, message);
    return writer;
  }

  protected write(writer: ByteWriter, message: ContentMessage): void {
    writeMessage(writer, message, {
      deleteIsValid: this.validDeletes.size > 0 && this.validDeletes.has(message.id),
      chunkThreshold: TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE,
    });
  }

  /** The bytes of an id, valid until the next one is written. */
  protected idBytes(id: string): Uint8Array {
    const writer = this.idWriter.reset();
    writer.bare(id);
    return writer.written();
  }

  /** The bytes of an id, to be kept. */
  protected ownIdBytes(id: string): Uint8Array {
    const writer = this.idWriter.reset();
    writer.bare(id);
    return writer.copy();
  }

  /**
   * Brings the known state up to date after a store, and gives it back if the engine lacks something that a correction
   * has to bring (rules W-2, W-3, W-11, W-12). Only called once the engine has answered, so that a store that failed
   * leaves the known state as it was (rule K-4).
   */
  protected settleStore({ id, sessions, ends }: Written, outcome: StoreOutcome): KnownState | undefined {
    if (outcome.status === "header-missing") {
      const knownState = emptyKnownState(id);
      this.knownStates.setKnownState(id, knownState);
      this.onKnownStateReplaced(id);
      return knownState;
    }
    const knownState = this.knownStates.getKnownState(id);
    const counters = outcome.counters ?? ends;
    for (let i = 0; i < sessions.length; i++) {
      settleCounter(knownState, sessions[i] as string, counters[i] ?? 0);
    }
    this.settleValue(id, knownState);
    return outcome.status === "gap" ? knownState : undefined;
  }

  /** The same for a message of which everything was stored, and whose sessions stand at its end: nearly every one. */
  protected settleExactly({ id, new: contents }: ContentMessage): void {
    const knownState = this.knownStates.getKnownState(id);
    const bySession: Record<string, SessionContent> = contents;
    for (const session of Object.keys(bySession)) {
      const { after, newTransactions } = bySession[session] as SessionContent;
      settleCounter(knownState, session, after + newTransactions.length);
    }
    this.settleValue(id, knownState);
  }

  private settleValue(id: RawCoID, knownState: KnownState): void {
    knownState.header = true;
    // What is still stored after `close` belongs to a node that is gone.
    if (this.takesIn()) this.inMemory.add(id);
    this.knownStates.handleUpdate(id, knownState);
  }

  /** Whether stored values enter the in-memory set. */
  protected takesIn(): boolean {
    return true;
  }

  protected onKnownStateReplaced(_id: RawCoID): void {}

  /** Enters a value about to be delivered (rules L-13 and M-2), and gives its known state. */
  protected enterLoaded(id: RawCoID, sessions: readonly LoadedSession[]): KnownState {
    const knownState = this.knownStates.getKnownState(id);
    knownState.header = true;
    for (const { id, counter } of sessions) this.enterCounter(knownState, id, counter);
    this.inMemory.add(id);
    return knownState;
  }

  /** Raises a counter to that of a read: a store that finished since the read began keeps its own. */
  protected enterCounter(knownState: KnownState, session: string, counter: number): void {
    const counters: Record<string, unknown> = knownState.sessions;
    const known = counters[session];
    // What is no number is inherited, by a session of a strange name.
    if (typeof known !== "number" || known < counter) setOwn(counters, session, counter);
  }

  /** What an erase leaves of a known state: the delete sessions. */
  protected lowerErased(id: RawCoID): void {
    const knownState = this.knownStates.getCachedKnownState(id);
    if (!knownState) return;
    const counters: Record<string, number> = knownState.sessions;
    for (const session of Object.keys(counters)) {
      if (!session.endsWith("$")) delete counters[session];
    }
  }

  /** Logs that the correction that was asked for did not come (rule C-5). */
  protected logMissingCorrection(details: { knownState: KnownState; correction?: null }): void {
    logger.error("Correction callback returned undefined", details);
  }

  /** The callback for messages of a correction, which must not need another one (rule C-6). */
  protected refuseCorrection(msg: ContentMessage): (knownState: KnownState) => undefined {
    return (knownState) => {
      // The message as it is, for whoever looks for its maker; the logger's types know only plain JSON.
      logger.error("Double correction requested", { msg, knownState } as unknown as Record<string, never>);
      return undefined;
    };
  }

  protected warnUnknownDeleted(id: RawCoID): void {
    logger.warn("A value queued for erasure is not stored", { id });
  }

  /** Types an error of the engine, and tells `onDegraded` of the first that means a broken promise. */
  protected report(error: unknown): NativeStorageError {
    const typed = toNativeStorageError(error);
    if (!this.degraded && isDegradation(typed)) {
      this.degraded = true;
      const { code, message } = typed;
      this.tell("onDegraded", this.listeners.onDegraded, { code, message, error: typed });
    }
    return typed;
  }

  private tell<T>(name: string, listener: ((event: T) => void) | undefined, event: T): void {
    try {
      listener?.(event);
    } catch (err) {
      logger.error(`${name} threw`, { err });
    }
  }

  /** Reports and logs a failure that has no caller to be thrown to. */
  protected logFailure(operation: string, error: unknown): NativeStorageError {
    const typed = this.report(error);
    logger.error(`Jazz Native Storage could not ${operation}: ${typed.message}`, { err: typed });
    return typed;
  }

  /** Logs what a callback of the caller's threw: that is no failure of the store (rule Z-3). */
  protected logThrown(method: string, err: unknown): void {
    logger.error(`A callback given to ${method} threw`, { err });
  }

  /** Logs why loaded content was not delivered, and gives that back. */
  protected logUndelivered(id: RawCoID, error: unknown): unknown {
    if (error instanceof NativeStorageError) return this.logFailure(`deliver ${id}`, error);
    this.logThrown("load", error);
    return error;
  }

  /** Runs an operation of the engine whose failure is thrown to the caller. */
  protected call<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      throw this.report(error);
    }
  }

  private async attempt<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (error) {
      throw this.report(error);
    }
  }
}

export function summarize(message: ContentMessage): Written {
  const sessions = Object.keys(message.new);
  const ends: number[] = [];
  for (const content of Object.values(message.new)) ends.push(content.after + content.newTransactions.length);
  return { id: message.id, sessions, ends };
}

export function acquireResult({ acquired, reason, lastProcessedOffset }: LockResult): AcquireResult {
  return acquired
    ? { acquired, lastProcessedOffset }
    : { acquired: false, reason: reason === "not_due" ? "not_due" : "lock_held" };
}

/** Enters a stored counter; a session of which nothing is stored gets none. */
function settleCounter({ sessions }: KnownState, session: string, counter: number): void {
  const counters: Record<string, number> = sessions;
  if (counter > 0 || Object.hasOwn(counters, session)) setOwn(counters, session, counter);
}

/** A page size as the engine takes it. */
export function pageSize(limit: number): number {
  return Math.min(Math.max(Math.trunc(limit), 0), U32_LIMIT) || 0;
}

/** Marks a promise as one whose failure is reported already: it may be awaited, but need not be (rule Z-4). */
export function reported<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
