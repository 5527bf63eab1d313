/**
 * The messages an async storage has taken in, stored strictly in their order (rule Q-3): whatever is queued when a trip to
 * the engine begins goes along in one batch. A message that lacks something ends the batch; the messages of its correction
 * then stand before all others (rule C-3). One that fails is logged and does not stop those after it (rule Q-4).
 *
 * Messages are written when they are taken in, so a caller may alter them afterwards: into the batch in which they will
 * travel, unless a failure or a correction comes in between. The next batch sets out before the callers of the last one are
 * told, so that the engine works while they go on; but only if all of that was stored. If there are enough messages for a
 * full one, it sets out while the last one is still being stored; the engine handles it only if all of that was.
 */

import { BatchWriter } from "./codec/batch.js";
import { readBatchOutcomes, readOutcome, type StoreOutcome } from "./codec/messages.js";
import { malformed } from "./codec/reader.js";
import type { ByteWriter } from "./codec/writer.js";
import type { ContentMessage, Correction, KnownState } from "./cojson-internals.js";
import type { NativeStorage } from "./generated/native.js";
import type { Written } from "./storage-base.js";

const BATCH_MESSAGES = 256;
/** A batch of so many bytes is full. */
const BATCH_BYTES = 1 << 20;
/** Batches whose memory is kept for later ones: one is written while two others travel. */
const SPARE_BATCHES = 3;

/** What the queue needs of its storage. */
export interface StoreQueueHost {
  readonly native: Pick<NativeStorage, "storeAsync" | "storeBatchAsync">;
  /** Writes a message. Throws if it cannot be stored. */
  write(writer: ByteWriter, message: ContentMessage): Written;
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
  /** What was written, unless that is still to be done or failed. */
  written: Written | undefined;
  /** The bytes of a message whose batch did not get to it. */
  bytes: Uint8Array | undefined;
  failure: { readonly error: unknown } | undefined;
}

/** A batch, and whose messages are in it. Those that could not be written are among the entries, but not in the batch. */
interface Parcel {
  readonly batch: BatchWriter;
  readonly entries: Entry[];
}

/** A parcel on its way. */
interface Trip {
  readonly parcel: Parcel;
  readonly startedClosed: boolean;
  readonly outcomes: Promise<StoreOutcome[]>;
}

export class StoreQueue {
  /** Before all parcels: corrections, and what a batch did not get to. */
  private loose: Entry[] = [];
  /** What is to be sent, in order; the last one may not be full. */
  private readonly parcels: Parcel[] = [];
  private readonly spare: BatchWriter[] = [];
  /** The trip whose outcome is waited for, and the one that follows it. */
  private current: Trip | undefined;
  private ahead: Trip | undefined;
  private running: Promise<void> | undefined;
  /** After a batch failed as a whole, this many messages go one by one, to find the one at fault. */
  private oneByOne = 0;
  closed = false;

  constructor(private readonly host: StoreQueueHost) {}

  /** Takes a message in. Ignored after `close` (rule X-4). */
  push(message: ContentMessage, correction: Correction, done: (() => void) | undefined): void {
    if (this.closed) return;
    let parcel = this.parcels.at(-1);
    if (!parcel || isFull(parcel)) {
      parcel = this.newParcel();
      this.parcels.push(parcel);
    }
    const entry = newEntry({ correction, done, left: 1 }, undefined);
    this.write(parcel, entry, message);
    parcel.entries.push(entry);
    this.sendAhead();
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
    for (;;) {
      this.current ??= this.begin();
      if (!this.current) break;
      this.sendAhead();
      await this.finish(this.current);
    }
    this.running = undefined;
  }

  /** Sends what comes after the current trip, if that fills a batch. */
  private sendAhead(): void {
    const [parcel] = this.parcels;
    if (this.current && !this.ahead && parcel && isFull(parcel)) this.ahead = this.setOut(true);
  }

  /** Sends what is next, if there is anything. Of what could not be written, all that comes before it fails now. */
  private begin(): Trip | undefined {
    for (;;) {
      const parcel = this.takeLoose() ?? this.parcels.shift();
      if (!parcel) return undefined;
      if (parcel.batch.count > 0) return this.send(parcel, false);
      this.giveBack(parcel);
      for (const entry of parcel.entries) this.fail(entry, entry.failure?.error);
    }
  }

  private send(parcel: Parcel, follows: boolean): Trip {
    this.host.beforeStore();
    const outcomes = this.outcomesOf(parcel.batch, follows);
    // Its failure is met when its turn comes.
    outcomes.catch(() => {});
    return { parcel, startedClosed: this.closed, outcomes };
  }

  /** Tells what became of the current trip's parcel. The next trip is the current one then, if it has begun. */
  private async finish({ parcel, startedClosed, outcomes: coming }: Trip): Promise<void> {
    const { entries } = parcel;
    let outcomes: StoreOutcome[];
    try {
      outcomes = await coming;
    } catch (error) {
      await this.callBack();
      if (entries.length === 1) {
        this.giveBack(parcel);
        this.fail(entries[0] as Entry, error);
      } else {
        // What was stored before the failure is stored again without effect (rule W-4).
        this.oneByOne = entries.length;
        this.loosen(parcel, 0, 0);
      }
      return;
    }
    const handled = handledOf(entries, outcomes.length);
    const isWhole = handled === entries.length && outcomes.every(isStored);
    if (!isWhole) await this.callBack();
    this.loosen(parcel, handled, outcomes.length);
    this.current = isWhole ? (this.ahead ?? this.setOut(false)) : undefined;
    this.ahead = undefined;
    this.sendAhead();
    let at = 0;
    for (const entry of entries.slice(0, handled)) {
      if (entry.failure) this.fail(entry, entry.failure.error);
      else this.complete(entry, outcomes[at++] as StoreOutcome, startedClosed);
    }
  }

  /** Of the current trip not all is stored: takes back what was to follow it, of which then nothing is. */
  private async callBack(): Promise<void> {
    const { ahead } = this;
    this.current = undefined;
    this.ahead = undefined;
    if (!ahead) return;
    // If it was handled all the same, as its predecessor failed after being stored, it is stored again without effect.
    await ahead.outcomes.catch(() => {});
    this.loosen(ahead.parcel, 0, 0);
  }

  /** Sends the next parcel, if there is one, something of it could be written, and nothing is to go before it. */
  private setOut(follows: boolean): Trip | undefined {
    const [parcel] = this.parcels;
    if (!parcel || parcel.batch.count === 0 || this.loose.length > 0) return undefined;
    this.parcels.shift();
    return this.send(parcel, follows);
  }

  /** Takes the bytes of the entries from `handled` on out of their parcel, which has `stored` messages before them. */
  private loosen(parcel: Parcel, handled: number, stored: number): void {
    const rest = parcel.entries.slice(handled);
    let at = stored;
    for (const entry of rest) {
      if (!entry.failure) entry.bytes = new Uint8Array(parcel.batch.message(at++));
    }
    this.loose.unshift(...rest);
    this.giveBack(parcel);
  }

  /** A parcel of the first messages that are in none. */
  private takeLoose(): Parcel | undefined {
    if (this.closed) this.loose = this.loose.filter(({ correcting }) => !correcting);
    if (this.loose.length === 0) return undefined;
    let limit = BATCH_MESSAGES;
    if (this.oneByOne > 0) {
      this.oneByOne--;
      limit = 1;
    }
    const parcel = this.newParcel();
    const { batch, entries } = parcel;
    for (const entry of this.loose) {
      if (entries.length >= limit || isFull(parcel)) break;
      const { bytes, correcting } = entry;
      if (bytes) batch.add((writer) => writer.raw(bytes));
      else if (correcting && !entry.failure) this.write(parcel, entry, correcting);
      // The first failure ends a correction (rule C-4), so nothing of it goes along.
      if (entry.failure && entries.length > 0) break;
      entries.push(entry);
      if (entry.failure) break;
    }
    this.loose.splice(0, entries.length);
    return parcel;
  }

  private newParcel(): Parcel {
    return { batch: this.spare.pop() ?? new BatchWriter(), entries: [] };
  }

  private giveBack({ batch }: Parcel): void {
    if (this.spare.length < SPARE_BATCHES) this.spare.push(batch.reset());
  }

  private write({ batch }: Parcel, entry: Entry, message: ContentMessage): void {
    try {
      entry.written = batch.add((writer) => this.host.write(writer, message));
    } catch (error) {
      entry.failure = { error };
    }
  }

  private complete(entry: Entry, outcome: StoreOutcome, startedClosed: boolean): void {
    try {
      const { task, correcting, written } = entry;
      const lacking = this.host.settle(written as Written, outcome);
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
    this.loose.unshift(...messages.map((message) => newEntry(task, message)));
  }

  /** The first failure ends a correction (rule C-4). */
  private fail(entry: Entry, error: unknown): void {
    if (entry.correcting) this.dropCorrection(entry.task);
    this.host.logFailure(error);
  }

  private dropCorrection(task: Task): void {
    this.loose = this.loose.filter((entry) => entry.task !== task);
  }

  /** Stores a batch, and tells what became of the messages handled: all, or up to one that needs a correction. */
  private async outcomesOf(batch: BatchWriter, follows: boolean): Promise<StoreOutcome[]> {
    const { native } = this.host;
    if (batch.count === 1 && !follows) return [readOutcome(await native.storeAsync(batch.message(0)))];
    const outcomes = readBatchOutcomes(await native.storeBatchAsync(batch.request(follows)));
    const fewest = follows ? 0 : 1;
    if (outcomes.length < fewest || outcomes.length > batch.count)
      throw malformed("a batch has wrong outcomes");
    return outcomes;
  }
}

function newEntry(task: Task, correcting: ContentMessage | undefined): Entry {
  return { task, correcting, written: undefined, bytes: undefined, failure: undefined };
}

function isFull({ batch, entries }: Parcel): boolean {
  return entries.length >= BATCH_MESSAGES || batch.size >= BATCH_BYTES;
}

function isStored({ status }: StoreOutcome): boolean {
  return status === "stored";
}

/** How many entries are done once so many messages are: those before the next message, if there is one. */
function handledOf(entries: readonly Entry[], stored: number): number {
  let left = stored;
  const at = entries.findIndex((entry) => !entry.failure && left-- === 0);
  return at < 0 ? entries.length : at;
}
