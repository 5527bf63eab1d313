/**
 * The messages an async storage has taken in, stored strictly in their order (rule Q-3): whatever is queued when a trip to
 * the engine begins goes along in one batch. A message that lacks something ends the batch; the messages of its correction
 * then stand before all others (rule C-3). One that fails is logged and does not stop those after it (rule Q-4).
 *
 * Messages are written to bytes when they are taken in, so a caller may alter them afterwards.
 */

import { readBatchOutcomes, readOutcome, type StoreOutcome, writeBatch } from "./codec/messages.js";
import { malformed } from "./codec/reader.js";
import { ByteWriter } from "./codec/writer.js";
import type { ContentMessage, Correction, KnownState } from "./cojson-internals.js";
import type { NativeStorage } from "./generated/native.js";
import type { Written } from "./storage-base.js";

const BATCH_MESSAGES = 256;
const BATCH_BYTES = 4 << 20;

/** A message as written, or why it could not be. */
export type Encoded = { readonly bytes: Uint8Array; readonly written: Written } | { readonly error: unknown };

/** What the queue needs of its storage. */
export interface StoreQueueHost {
  readonly native: NativeStorage;
  encodeMessage(message: ContentMessage): Encoded;
  /** Called before each trip that stores. */
  beforeStore(): void;
  /** Brings the known state up to date; gives it back if a correction is needed. */
  settle(written: Written, outcome: StoreOutcome): KnownState | undefined;
  logMissingCorrection(knownState: KnownState): void;
  logDoubleCorrection(message: ContentMessage, knownState: KnownState): void;
  logFailure(error: unknown): void;
  /** Logs what a callback threw: that is no failure of the store. */
  logThrown(error: unknown): void;
}

/** One call of `store`, with its correction. */
interface Task {
  readonly correction: Correction;
  readonly done: (() => void) | undefined;
  /** Messages still to be stored: the task's own, then those of its correction. */
  left: number;
}

interface Entry {
  readonly task: Task;
  /** Set for a message of a correction, which is written only when its turn comes. */
  readonly correcting: ContentMessage | undefined;
  encoded: Encoded | undefined;
}

type Stored = Extract<Encoded, { bytes: Uint8Array }>;

export class StoreQueue {
  private entries: Entry[] = [];
  private running: Promise<void> | undefined;
  /** After a batch failed as a whole, this many messages go one by one, to find the one at fault. */
  private oneByOne = 0;
  private readonly writer = new ByteWriter();
  closed = false;

  constructor(private readonly host: StoreQueueHost) {}

  /** Takes a message in. Ignored after `close` (rule X-4). */
  push(message: ContentMessage, correction: Correction, done: (() => void) | undefined): void {
    if (this.closed) return;
    const encoded = this.host.encodeMessage(message);
    this.entries.push({ task: { correction, done, left: 1 }, correcting: undefined, encoded });
    // What else the caller stores in this turn goes along in the first trip.
    this.running ??= Promise.resolve().then(() => this.run());
  }

  /** Resolves when all messages taken in have been stored or have failed. */
  async idle(): Promise<void> {
    while (this.running) await this.running;
  }

  /**
   * Takes no more messages. Those queued are still stored if they need no correction (rule X-3a); the one under way may
   * ask for its correction, of which nothing is stored any more (rule X-3).
   */
  close(): Promise<void> {
    this.closed = true;
    return this.idle();
  }

  private async run(): Promise<void> {
    while (this.entries.length > 0) await this.storeNext();
    this.running = undefined;
  }

  private async storeNext(): Promise<void> {
    const startedClosed = this.closed;
    if (startedClosed) this.entries = this.entries.filter(({ correcting }) => !correcting);
    const batch = this.takeBatch();
    const messages: Stored[] = [];
    for (const entry of batch) {
      if (entry.encoded && "bytes" in entry.encoded) messages.push(entry.encoded);
    }
    if (messages.length === 0) return;
    let outcomes: StoreOutcome[];
    try {
      outcomes = await this.storeAll(messages);
    } catch (error) {
      if (batch.length === 1) {
        this.fail(batch[0] as Entry, error);
      } else {
        // What was stored before the failure is stored again without effect (rule W-4).
        this.oneByOne = batch.length;
        this.entries.unshift(...batch);
      }
      return;
    }
    this.entries.unshift(...batch.slice(outcomes.length));
    for (const [i, outcome] of outcomes.entries()) {
      this.complete(batch[i] as Entry, (messages[i] as Stored).written, outcome, startedClosed);
    }
  }

  /** The next messages that can go in one trip. One that could not be written fails when its turn comes. */
  private takeBatch(): Entry[] {
    let limit = BATCH_MESSAGES;
    if (this.oneByOne > 0) {
      this.oneByOne--;
      limit = 1;
    }
    let count = 0;
    for (let size = 0; count < this.entries.length && count < limit; count++) {
      const entry = this.entries[count] as Entry;
      if (!entry.encoded && entry.correcting) entry.encoded = this.host.encodeMessage(entry.correcting);
      if (!entry.encoded || "error" in entry.encoded) break;
      size += entry.encoded.bytes.length;
      if (count > 0 && size > BATCH_BYTES) break;
    }
    const batch = this.entries.splice(0, Math.max(count, 1));
    const [first] = batch;
    if (first?.encoded && "error" in first.encoded) this.fail(first, first.encoded.error);
    return batch;
  }

  private complete(entry: Entry, written: Written, outcome: StoreOutcome, startedClosed: boolean): void {
    try {
      const { task, correcting } = entry;
      const lacking = this.host.settle(written, outcome);
      if (lacking === undefined) {
        if (--task.left === 0) task.done?.();
      } else if (correcting) {
        this.dropCorrection(task);
        this.host.logDoubleCorrection(correcting, lacking);
        this.host.logMissingCorrection(lacking);
      } else if (!startedClosed) {
        this.correct(task, lacking);
      }
    } catch (error) {
      this.host.logThrown(error);
    }
  }

  private correct(task: Task, knownState: KnownState): void {
    const messages = task.correction(knownState);
    if (!messages) {
      this.host.logMissingCorrection(knownState);
      return;
    }
    task.left = messages.length;
    if (messages.length === 0) {
      task.done?.();
      return;
    }
    if (this.closed) return;
    const entries = messages.map((message): Entry => ({ task, correcting: message, encoded: undefined }));
    this.entries = [...entries, ...this.entries];
  }

  /** The first failure ends a correction (rule C-4). */
  private fail(entry: Entry, error: unknown): void {
    if (entry.correcting) this.dropCorrection(entry.task);
    this.host.logFailure(error);
  }

  private dropCorrection(task: Task): void {
    this.entries = this.entries.filter((entry) => entry.task !== task);
  }

  /** Stores messages in order, and tells what became of those handled: all, or up to one that needs a correction. */
  private async storeAll(messages: readonly Stored[]): Promise<StoreOutcome[]> {
    this.host.beforeStore();
    const [first] = messages;
    if (first && messages.length === 1) return [readOutcome(await this.host.native.storeAsync(first.bytes))];
    const writer = this.writer.reset();
    writeBatch(
      writer,
      messages.map(({ bytes }) => bytes),
    );
    // One trip at a time, so the writer is not written to before this one ends.
    const outcomes = readBatchOutcomes(await this.host.native.storeBatchAsync(writer.written()));
    if (outcomes.length === 0 || outcomes.length > messages.length)
      throw malformed("a batch has wrong outcomes");
    return outcomes;
  }
}
