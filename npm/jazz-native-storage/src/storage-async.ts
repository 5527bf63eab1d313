/**
 * The async flavour: work is done off the JavaScript thread. Stores go through a queue; a load is read in as few trips as
 * it has levels of dependencies, and then delivered in one go (rule A-1).
 */
import { logger, type RawCoID, type SessionID, type StorageAPI } from "cojson";
import { readCounters, readIds, writeIds, writeSyncStateUpdates } from "./codec/lists.js";
import { type LoadedCoValue, readLoaded, readLoadedMany, readPiece } from "./codec/loaded.js";
import { ByteReader } from "./codec/reader.js";
import { text } from "./codec/text.js";
import { ByteWriter } from "./codec/writer.js";
import {
  type AcquireResult,
  type ContentMessage,
  type Correction,
  type KnownState,
  type PeerID,
  STORAGE_RECONCILIATION_CONFIG,
  type SyncStateUpdate,
} from "./cojson-internals.js";
import { CollectedValue, type PieceReader } from "./collected-value.js";
import { type ContentCallback, Delivery } from "./delivery.js";
import type { Listeners } from "./options.js";
import {
  type AsyncNativeStorage,
  acquireResult,
  pageSize,
  reported,
  StorageBase,
  summarize,
} from "./storage-base.js";
import { StoreQueue } from "./store-queue.js";

/** Bytes of content that one trip brings along beyond the first piece of each session, and a window after it. */
const LOAD_BUDGET = 32 << 20;

/** Values read for one load; `undefined` for those that are not stored. */
type Collected = Map<RawCoID, CollectedValue | undefined>;

export class NativeStorageAsync extends StorageBase<AsyncNativeStorage> implements StorageAPI {
  readonly flavour = "async";
  private readonly queue: StoreQueue;
  /** Values whose known state covers all their sessions, not only those written through this object (rule K-9). */
  private readonly fullyKnown = new Set<RawCoID>();
  private readonly knownStateReads = new Map<string, Promise<KnownState | undefined>>();
  /** Counts the loads and stores, each of which interrupts a running erase (rule D-8). */
  private interruptions = 0;
  /** Counts the erases, after which a read begun earlier may tell of sessions that are gone. */
  private erasures = 0;
  private erasing: Promise<unknown> | undefined;

  constructor(native: AsyncNativeStorage, listeners: Listeners) {
    super(native, listeners);
    this.queue = new StoreQueue({
      native,
      write: (writer, message) => {
        this.write(writer, message);
        return summarize(message);
      },
      beforeStore: () => this.interruptErasure(),
      settle: (written, outcome) => this.settleStore(written, outcome),
      logMissingCorrection: (knownState) => this.logMissingCorrection({ knownState, correction: null }),
      logDoubleCorrection: (message, knownState) => this.refuseCorrection(message)(knownState),
      logFailure: (error) => this.logFailure("store a message", error),
      logThrown: (error) => this.logThrown("store", error),
    });
  }

  /** Resolves when the message is queued. `done` is called once it is stored; a failure is logged. */
  async store(message: ContentMessage, correction: Correction, done?: () => void): Promise<void> {
    this.queue.push(message, correction, done);
  }

  protected override takesIn(): boolean {
    return !this.queue.closed;
  }

  protected override onKnownStateReplaced(id: RawCoID): void {
    this.fullyKnown.delete(id);
  }

  /** Settles after `done`. It rejects if the value could not be read or the callback threw, which is logged as well. */
  load(id: string, callback: ContentCallback, done?: (found: boolean) => void): Promise<void> {
    return reported(this.loadAndDeliver(id as RawCoID, callback, done));
  }

  private async loadAndDeliver(
    id: RawCoID,
    callback: ContentCallback,
    done: ((found: boolean) => void) | undefined,
  ): Promise<void> {
    this.interruptErasure();
    const collected: Collected = new Map();
    let root: CollectedValue | undefined;
    try {
      root = await this.collectRoot(id, collected);
      await this.collectDependencies(collected);
    } catch (error) {
      const failure = this.logFailure(`load ${id}`, error);
      done?.(false);
      throw failure;
    }
    try {
      if (root) await this.deliver(root, collected, callback);
      done?.(root !== undefined);
    } catch (err) {
      throw this.logUndelivered(id, err);
    }
  }

  private async deliver(
    root: CollectedValue,
    collected: Collected,
    callback: ContentCallback,
  ): Promise<void> {
    const delivery = new Delivery(
      root,
      { has: (id) => this.inMemory.has(id), open: (id) => collected.get(id) },
      callback,
    );
    try {
      for (let lacking = delivery.run(); lacking !== undefined; lacking = delivery.run()) {
        await this.readMore(lacking as CollectedValue, collected);
      }
    } catch (error) {
      delivery.abandon();
      throw error;
    }
  }

  /** Reads the next window of a value beyond the budget, and what it depends on. */
  private async readMore(value: CollectedValue, collected: Collected): Promise<void> {
    try {
      await value.readMore(this.pieceReader(value), LOAD_BUDGET);
      await this.collectDependencies(collected);
    } catch (error) {
      throw this.report(error);
    }
  }

  private async read(id: RawCoID): Promise<LoadedCoValue | undefined> {
    const bytes = await this.native.loadAsync(this.ownIdBytes(id), LOAD_BUDGET);
    return bytes ? readLoaded(bytes) : undefined;
  }

  /** Reads a value, and with it what comes along of its dependencies. */
  private async collectRoot(id: RawCoID, collected: Collected): Promise<CollectedValue | undefined> {
    if (!this.native.loadWithDependenciesAsync) {
      const root = this.collect(id, await this.read(id));
      collected.set(id, root);
      return root;
    }
    const parts = await this.native.loadWithDependenciesAsync(this.ownIdBytes(id), LOAD_BUDGET);
    const [bytes] = parts ?? [];
    const root = this.collect(id, bytes && readLoaded(bytes));
    collected.set(id, root);
    for (let at = 1; parts && at < parts.length; at += 2) {
      const name = parts[at] as Uint8Array;
      const dependency = text.utf8(name, 0, name.length) as RawCoID;
      if (this.inMemory.has(dependency) || collected.has(dependency)) continue;
      const content = parts[at + 1] as Uint8Array;
      const value = content.length > 0 ? readLoaded(content) : undefined;
      collected.set(dependency, this.collect(dependency, value));
    }
    return root;
  }

  private collect(id: RawCoID, value: LoadedCoValue | undefined): CollectedValue | undefined {
    if (!value) return undefined;
    return new CollectedValue(id, value, {
      begin: (sessions) => {
        const knownState = this.enterLoaded(id, sessions);
        this.fullyKnown.add(id);
        return knownState.sessions;
      },
      finish: () => this.knownStates.handleUpdate(id, this.knownStates.getKnownState(id)),
      abandon: () => this.inMemory.delete(id),
    });
  }

  /**
   * Reads what the collected values depend on, until nothing is missing: one trip for each level, and one more look at
   * all of them at the end, since a value may have been unmounted meanwhile.
   */
  private async collectDependencies(collected: Collected): Promise<void> {
    for (let missing = this.missing(collected.values(), collected); missing.length > 0; ) {
      const values: (CollectedValue | undefined)[] = [];
      for (const [id, value] of await this.readDependencies(missing)) {
        const dependency = this.collect(id, value);
        collected.set(id, dependency);
        values.push(dependency);
      }
      missing = this.missing(values, collected);
      if (missing.length === 0) missing = this.missing(collected.values(), collected);
    }
  }

  private missing(values: Iterable<CollectedValue | undefined>, collected: Collected): RawCoID[] {
    const missing = new Set<RawCoID>();
    for (const value of values) {
      for (const id of value?.dependencies() ?? []) {
        if (!this.inMemory.has(id) && !collected.has(id)) missing.add(id);
      }
    }
    return [...missing];
  }

  private async readDependencies(ids: readonly RawCoID[]): Promise<[RawCoID, LoadedCoValue | undefined][]> {
    try {
      const writer = new ByteWriter();
      writeIds(writer, ids);
      const values = readLoadedMany(await this.native.loadManyAsync(writer.written(), LOAD_BUDGET));
      return ids.map((id, i) => [id, values[i]]);
    } catch {
      // One unreadable value must not hide the others.
      return await Promise.all(
        ids.map(
          async (id): Promise<[RawCoID, LoadedCoValue | undefined]> => [id, await this.readDependency(id)],
        ),
      );
    }
  }

  /** A dependency that cannot be read is one that is not stored: its dependents are still worth having. */
  private async readDependency(id: RawCoID): Promise<LoadedCoValue | undefined> {
    try {
      return await this.read(id);
    } catch (error) {
      this.logFailure(`load the dependency ${id}`, error);
      return undefined;
    }
  }

  private pieceReader(value: CollectedValue): PieceReader {
    const id = this.ownIdBytes(value.id);
    return async (session, { after, count }) => {
      const bytes = await this.native.loadPieceAsync(id, this.ownIdBytes(session), after, count);
      return bytes ? readPiece(new ByteReader(bytes), after) : undefined;
    };
  }

  /**
   * Given at once, as the live object, if this object knows all sessions of the value (rule K-6); else read, one read for
   * all who ask meanwhile (rule K-7). A read that fails counts as not found (rule K-8).
   */
  loadKnownState(id: string, callback: (knownState: KnownState | undefined) => void): void {
    const cached = this.fullyKnown.has(id as RawCoID) ? this.knownStates.getCachedKnownState(id) : undefined;
    if (cached) {
      callback(cached);
      return;
    }
    let read = this.knownStateReads.get(id);
    if (!read) {
      read = this.readKnownState(id as RawCoID).finally(() => this.knownStateReads.delete(id));
      this.knownStateReads.set(id, read);
    }
    read.then(callback).catch((error) => this.logThrown("loadKnownState", error));
  }

  private async readKnownState(id: RawCoID): Promise<KnownState | undefined> {
    try {
      for (;;) {
        const erasures = this.erasures;
        const bytes = await this.native.knownStateAsync(this.ownIdBytes(id));
        if (!bytes) return undefined;
        if (erasures !== this.erasures) continue;
        const knownState = this.knownStates.getKnownState(id);
        knownState.header = true;
        readCounters(new ByteReader(bytes), (session, counter) =>
          this.enterCounter(knownState, session, counter),
        );
        this.fullyKnown.add(id);
        return knownState;
      }
    } catch (error) {
      const err = this.report(error);
      logger.warn("Failed to load knownState from storage", { id, err });
      return undefined;
    }
  }

  override onCoValueUnmounted(id: RawCoID): void {
    super.onCoValueUnmounted(id);
    this.fullyKnown.delete(id);
  }

  /** Resolves when all queued values are erased, or when a load or store interrupted that (rule D-8). */
  eraseAllDeletedCoValues(): Promise<void> {
    return reported(this.startErasure().then(() => {}));
  }

  private startErasure(): Promise<ReadonlySet<RawCoID>> {
    const erasure = this.eraseQueued();
    const all = Promise.allSettled([this.erasing, erasure]).then(() => {
      if (this.erasing === all) this.erasing = undefined;
    });
    this.erasing = all;
    return erasure;
  }

  /** Gives the queued ids that are not stored. */
  private async eraseQueued(): Promise<ReadonlySet<RawCoID>> {
    const unknown = new Set<RawCoID>();
    try {
      const ids = await this.deletionQueue();
      const interruptions = this.interruptions;
      for (const id of ids) {
        if (interruptions !== this.interruptions) break;
        const erased = await this.native.eraseAsync(this.ownIdBytes(id));
        this.erasures++;
        if (erased) {
          this.lowerErased(id);
        } else {
          unknown.add(id);
          this.warnUnknownDeleted(id);
        }
      }
    } catch (error) {
      throw this.logFailure("erase deleted values", error);
    }
    return unknown;
  }

  private interruptErasure(): void {
    this.interruptions++;
  }

  private async deletionQueue(): Promise<RawCoID[]> {
    return readIds(await this.native.pendingDeletionsAsync()) as RawCoID[];
  }

  protected override async runScheduledErasure(): Promise<{ hasMore: boolean }> {
    const unknown = await this.startErasure();
    const queued = await this.deletionQueue();
    return { hasMore: queued.some((id) => !unknown.has(id)) };
  }

  /** As it is after an erase that is running now. */
  override async pendingDeletions(): Promise<RawCoID[]> {
    while (this.erasing) await this.erasing;
    return await super.pendingDeletions();
  }

  override async flush(): Promise<void> {
    await this.queue.idle();
    await super.flush();
  }

  /** `done` comes in any case, since shutdown waits for it: a failure is reported, and costs a resumption at most. */
  trackCoValuesSyncState(updates: SyncStateUpdate[], done?: () => void): void {
    const writer = new ByteWriter();
    const track = async () => {
      writeSyncStateUpdates(writer, updates);
      await this.native.trackSyncStateAsync(writer.written());
    };
    this.background(
      "track the sync state",
      track().finally(() => this.guarded("trackCoValuesSyncState", () => done?.())),
    );
  }

  /** Like the other questions below, one that fails is logged and not answered: an empty answer would pass for the truth. */
  getUnsyncedCoValueIDs(callback: (ids: RawCoID[]) => void): void {
    const question = this.native.unsyncedIdsAsync().then((bytes) => readIds(bytes) as RawCoID[]);
    this.answer("getUnsyncedCoValueIDs", question, callback);
  }

  stopTrackingSyncState(id: RawCoID): void {
    this.background("stop tracking a value", this.native.stopTrackingAsync(this.ownIdBytes(id)));
  }

  getCoValueIDs(limit: number, offset: number, callback: (batch: { id: RawCoID }[]) => void): void {
    const question = this.native
      .coValueIdsAsync(pageSize(limit), offset)
      .then((bytes) => readIds(bytes).map((id) => ({ id: id as RawCoID })));
    this.answer("getCoValueIDs", question, callback);
  }

  getCoValueCount(callback: (count: number) => void): void {
    this.answer("getCoValueCount", this.native.coValueCountAsync(), callback);
  }

  tryAcquireStorageReconciliationLock(
    sessionId: SessionID,
    peerId: PeerID,
    callback: (result: AcquireResult) => void,
  ): void {
    const { LOCK_TTL_MS, RECONCILIATION_INTERVAL_MS } = STORAGE_RECONCILIATION_CONFIG;
    const session = this.ownIdBytes(sessionId);
    const peer = this.ownIdBytes(peerId);
    const question = this.native
      .tryAcquireLockAsync(session, peer, Date.now(), LOCK_TTL_MS, RECONCILIATION_INTERVAL_MS)
      .then(acquireResult);
    this.answer("tryAcquireStorageReconciliationLock", question, callback);
  }

  renewStorageReconciliationLock(sessionId: SessionID, peerId: PeerID, offset: number): void {
    const renewal = this.native.renewLockAsync(this.ownIdBytes(sessionId), this.ownIdBytes(peerId), offset);
    this.background("renew the reconciliation lock", renewal);
  }

  releaseStorageReconciliationLock(sessionId: SessionID, peerId: PeerID): void {
    const release = this.native.releaseLockAsync(
      this.ownIdBytes(sessionId),
      this.ownIdBytes(peerId),
      Date.now(),
    );
    this.background("release the reconciliation lock", release);
  }

  /**
   * Takes no more messages; the promise settles when what can be stored of those queued is, and the store is closed. It
   * never rejects; what fails is logged. Calls other than `store` open the store again (rule X-6).
   */
  close(): Promise<void> {
    this.forget();
    this.fullyKnown.clear();
    return this.finish(this.queue.close());
  }

  private async finish(stored: Promise<void>): Promise<void> {
    await stored;
    await this.erasing;
    this.settleWaiters();
    try {
      await this.native.closeAsync();
    } catch (error) {
      this.logFailure("close the store", error);
    }
  }

  private answer<T>(method: string, question: Promise<T>, callback: (answer: T) => void): void {
    this.background(
      `answer ${method}`,
      question.then((answer) => this.guarded(method, () => callback(answer))),
    );
  }

  /** Logs the failure of an operation no one awaits. */
  private background(operation: string, running: Promise<unknown>): void {
    running.catch((error) => this.logFailure(operation, error));
  }

  private guarded(method: string, callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.logThrown(method, error);
    }
  }
}
