/** The sync flavour: every callback runs before its method returns, but for the later pieces of large values (rule S-1). */
import { logger, type RawCoID, type SessionID, type StorageAPI } from "cojson";
import { readIds, readLentKnownState, writeSyncStateUpdates } from "./codec/lists.js";
import { type LoadedCoValue, type LoadedSession, type Piece, readLoaded, readPiece } from "./codec/loaded.js";
import { readOutcome } from "./codec/messages.js";
import { lentCopy, lentReader } from "./codec/reader.js";
import { readWhole, type WholeCoValue } from "./codec/whole.js";
import { ByteWriter } from "./codec/writer.js";
import {
  type AcquireResult,
  type ContentMessage,
  type Correction,
  type CoValueHeader,
  type KnownState,
  type PeerID,
  type SessionContent,
  STORAGE_RECONCILIATION_CONFIG,
  StorageStreamingQueue,
  type SyncStateUpdate,
} from "./cojson-internals.js";
import {
  addSession,
  type ContentCallback,
  type Deliverable,
  Delivery,
  type Dependencies,
  emptyMessage,
  GroupMemory,
  type Prepared,
  prepare,
} from "./delivery.js";
import type { NativeStorage, Nothing } from "./generated/native.js";
import { acquireResult, pageSize, reported, StorageBase, summarize } from "./storage-base.js";

/**
 * Bytes of content that one load takes along beyond what it cannot leave out: none, as bytes live on beside the strings that
 * are made of them until they are collected, and a piece by itself is read as fast.
 */
const LOAD_BUDGET = 0;
/** Milliseconds a scheduled erase may take, so that it does not block (rule E-7). */
const ERASE_BUDGET_MS = 100;

export class NativeStorageSync extends StorageBase<NativeStorage> implements StorageAPI {
  readonly flavour = "sync";
  readonly streamingQueue = new StorageStreamingQueue();
  private readonly groupMemory = new GroupMemory();

  /** Whether everything was stored, a correction included. Throws what the engine reports. */
  store(message: ContentMessage, correction: Correction, done?: () => void): boolean {
    const stored = this.storeOne(message, correction);
    if (stored) done?.();
    return stored;
  }

  private storeOne(message: ContentMessage, correction: Correction): boolean {
    let answer: Uint8Array | Nothing;
    try {
      answer = this.native.store(this.encode(message).written());
    } catch (error) {
      throw this.report(error);
    }
    if (!answer) {
      this.settleExactly(message);
      return true;
    }
    const lacking = this.settleStore(
      summarize(message),
      this.call(() => readOutcome(answer)),
    );
    return lacking === undefined || this.correct(lacking, correction);
  }

  private correct(knownState: KnownState, correction: Correction): boolean {
    const messages = correction(knownState);
    if (!messages) {
      this.logMissingCorrection({ knownState });
      return false;
    }
    return messages.every((message) => this.storeOne(message, this.refuseCorrection(message)));
  }

  /** Settles after `done`. It rejects if the value could not be read or the callback threw, which is logged as well. */
  load(id: string, callback: ContentCallback, done?: (found: boolean) => void): Promise<void> {
    try {
      this.loadNow(id as RawCoID, callback, done);
    } catch (error) {
      return reported(Promise.reject(error));
    }
    return Promise.resolve();
  }

  private loadNow(id: RawCoID, callback: ContentCallback, done?: (found: boolean) => void): void {
    let whole: WholeCoValue | undefined;
    let value: LoadedCoValue | undefined;
    try {
      const bytes = this.native.loadLent(this.idBytes(id), LOAD_BUDGET);
      whole = bytes ? this.readAlone(id, bytes) : undefined;
      value = bytes && !whole ? readLoaded(lentCopy(bytes)) : undefined;
    } catch (error) {
      const failure = this.logFailure(`load ${id}`, error);
      done?.(false);
      throw failure;
    }
    if (!whole && !value) {
      done?.(false);
      return;
    }
    try {
      if (whole) this.deliverAlone(id, whole, callback);
      else if (value) this.deliver(this.deliverable(id, value, callback), callback);
      done?.(true);
    } catch (err) {
      throw this.logUndelivered(id, err);
    }
  }

  private read(id: RawCoID): LoadedCoValue | undefined {
    const bytes = this.native.load(this.idBytes(id), LOAD_BUDGET);
    return bytes ? readLoaded(bytes) : undefined;
  }

  /** A value that is one message, as most are, and of whose dependencies none is missing in memory. */
  private readAlone(id: RawCoID, lent: Uint8Array): WholeCoValue | undefined {
    const value = readWhole(lent);
    if (!value) return undefined;
    for (const dependency of this.groupMemory.dependenciesOf(value)) {
      if (!this.inMemory.has(dependency) && dependency !== id) return undefined;
    }
    return value;
  }

  private deliverAlone(
    id: RawCoID,
    { header, sessions, contents }: WholeCoValue,
    callback: ContentCallback,
  ): void {
    const message: ContentMessage = {
      action: "content",
      id,
      header,
      priority: this.groupMemory.priorityOf(header),
      new: {},
    };
    const knownState = this.enterLoaded(id, []);
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i] as string;
      const content = contents[i] as SessionContent;
      addSession(message, session, content);
      this.enterCounter(knownState, session, content.newTransactions.length);
    }
    try {
      callback(message);
    } catch (error) {
      this.inMemory.delete(id);
      throw error;
    }
    this.knownStates.handleUpdate(id, knownState);
  }

  private deliver(value: Deliverable, callback: ContentCallback): void {
    const dependencies: Dependencies = {
      has: (id) => this.inMemory.has(id),
      open: (id) => this.openDependency(id, callback),
    };
    new Delivery(value, dependencies, callback).run();
  }

  /** A dependency that cannot be read is one that is not stored: its dependents are still worth having. */
  private openDependency(id: RawCoID, callback: ContentCallback): Deliverable | undefined {
    try {
      const value = this.read(id);
      return value && this.deliverable(id, value, callback);
    } catch (error) {
      this.logFailure(`load the dependency ${id}`, error);
      return undefined;
    }
  }

  private deliverable(id: RawCoID, value: LoadedCoValue, callback: ContentCallback): Deliverable {
    const { header, sessions } = value;
    let knownState: KnownState | undefined;
    let first: Prepared | undefined;
    return {
      begin: () => {
        knownState = this.enterLoaded(id, sessions);
        first = prepare(firstMessage(id, value, knownState), header);
      },
      next: () => {
        const message = first;
        first = undefined;
        return message;
      },
      finish: () => {
        if (knownState) this.knownStates.handleUpdate(id, knownState);
        this.queueRest(id, value, callback);
      },
      abandon: () => this.inMemory.delete(id),
    };
  }

  /** Queues the pieces after each session's first one (rules O-2 and S-1). */
  private queueRest(id: RawCoID, { header, sessions }: LoadedCoValue, callback: ContentCallback): void {
    const { priority } = emptyMessage(id, header);
    let queued = false;
    for (const session of sessions) {
      for (const piece of session.pieces.slice(1)) {
        this.streamingQueue.push(() => this.streamPiece(id, header, session, piece, callback), priority);
        queued = true;
      }
    }
    if (queued) this.streamingQueue.emit();
  }

  private streamPiece(
    id: RawCoID,
    header: CoValueHeader,
    session: LoadedSession,
    piece: Piece,
    callback: ContentCallback,
  ): void {
    let content: SessionContent | undefined;
    try {
      content = this.readPiece(id, session, piece);
    } catch (error) {
      this.logFailure(`stream ${id}`, error);
      return;
    }
    // Erased since the load began: there is nothing left to stream (rules D-9 and D-10).
    if (!content) return;
    const message = emptyMessage(id, header);
    addSession(message, session.id, content);
    let prepared: Prepared | undefined = prepare(message, header);
    this.deliver(
      {
        begin: () => {},
        next: () => {
          const next = prepared;
          prepared = undefined;
          return next;
        },
        finish: () => {},
        abandon: () => {},
      },
      callback,
    );
  }

  private readPiece(id: RawCoID, session: LoadedSession, piece: Piece): SessionContent | undefined {
    if (piece.read) return piece.read();
    const { after, count } = piece;
    const bytes = this.native.loadPieceLent(this.ownIdBytes(id), this.ownIdBytes(session.id), after, count);
    return bytes ? readPiece(lentReader(bytes), after) : undefined;
  }

  /** A fresh object, read from the index each time (rule K-6). A read that fails counts as not found (rule K-8). */
  loadKnownState(id: string, callback: (knownState: KnownState | undefined) => void): void {
    let knownState: KnownState | undefined;
    try {
      const bytes = this.native.knownStateLent(this.idBytes(id));
      if (bytes) knownState = readLentKnownState(id as RawCoID, bytes);
    } catch (error) {
      const err = this.report(error);
      logger.warn("Failed to load knownState from storage", { id, err });
    }
    callback(knownState);
  }

  eraseAllDeletedCoValues(): Promise<void> {
    try {
      this.eraseQueued(Number.POSITIVE_INFINITY);
    } catch (error) {
      return reported(Promise.reject(this.logFailure("erase deleted values", error)));
    }
    return Promise.resolve();
  }

  protected override async runScheduledErasure(): Promise<{ hasMore: boolean }> {
    return this.call(() => this.eraseQueued(ERASE_BUDGET_MS));
  }

  private eraseQueued(budgetMs: number): { hasMore: boolean } {
    const start = Date.now();
    const unknown = new Set<RawCoID>();
    for (const id of this.deletionQueue()) {
      if (Date.now() - start >= budgetMs) break;
      if (this.native.erase(this.idBytes(id))) {
        this.lowerErased(id);
      } else {
        unknown.add(id);
        this.warnUnknownDeleted(id);
      }
    }
    return { hasMore: this.deletionQueue().some((id) => !unknown.has(id)) };
  }

  private deletionQueue(): RawCoID[] {
    return readIds(this.native.pendingDeletions()) as RawCoID[];
  }

  trackCoValuesSyncState(updates: SyncStateUpdate[], done?: () => void): void {
    this.call(() => {
      const writer = new ByteWriter();
      writeSyncStateUpdates(writer, updates);
      this.native.trackSyncState(writer.written());
    });
    done?.();
  }

  getUnsyncedCoValueIDs(callback: (ids: RawCoID[]) => void): void {
    callback(this.call(() => readIds(this.native.unsyncedIds())) as RawCoID[]);
  }

  stopTrackingSyncState(id: RawCoID): void {
    this.call(() => this.native.stopTracking(this.idBytes(id)));
  }

  getCoValueIDs(limit: number, offset: number, callback: (batch: { id: RawCoID }[]) => void): void {
    const ids = this.call(() => readIds(this.native.coValueIds(pageSize(limit), offset))) as RawCoID[];
    callback(ids.map((id) => ({ id })));
  }

  getCoValueCount(callback: (count: number) => void): void {
    callback(this.call(() => this.native.coValueCount()));
  }

  tryAcquireStorageReconciliationLock(
    sessionId: SessionID,
    peerId: PeerID,
    callback: (result: AcquireResult) => void,
  ): void {
    const { LOCK_TTL_MS, RECONCILIATION_INTERVAL_MS } = STORAGE_RECONCILIATION_CONFIG;
    const session = this.ownIdBytes(sessionId);
    const peer = this.ownIdBytes(peerId);
    callback(
      acquireResult(
        this.call(() =>
          this.native.tryAcquireLock(session, peer, Date.now(), LOCK_TTL_MS, RECONCILIATION_INTERVAL_MS),
        ),
      ),
    );
  }

  renewStorageReconciliationLock(sessionId: SessionID, peerId: PeerID, offset: number): void {
    this.call(() => this.native.renewLock(this.ownIdBytes(sessionId), this.ownIdBytes(peerId), offset));
  }

  releaseStorageReconciliationLock(sessionId: SessionID, peerId: PeerID): void {
    this.call(() => this.native.releaseLock(this.ownIdBytes(sessionId), this.ownIdBytes(peerId), Date.now()));
  }

  /** Closes the store. Never throws; what fails is logged. The next call opens it again (rule X-5). */
  close(): undefined {
    this.forget();
    this.settleWaiters();
    try {
      this.native.close();
    } catch (error) {
      this.logFailure("close the store", error);
    }
    return undefined;
  }
}

/** The first piece of every session (rule O-2); says what is still to come if pieces may follow (rule L-12). */
function firstMessage(
  id: RawCoID,
  { header, sessions }: LoadedCoValue,
  knownState: KnownState,
): ContentMessage {
  const message = emptyMessage(id, header);
  for (const session of sessions) {
    const content = session.pieces[0]?.read?.();
    if (content) addSession(message, session.id, content);
  }
  // The live counters, as cojson's own storages give them: what is stored meanwhile is to be expected as well.
  if (sessions.some((session) => session.hasChunkSignature)) message.expectContentUntil = knownState.sessions;
  return message;
}
