/**
 * A value read by the async flavour, cut into the messages that flavour gives (rule O-3): sessions in order, a session of
 * one piece joins the message being built, one of several pieces ends a message after each of them.
 *
 * Content beyond a read's byte budget is not there at first. It is read in windows between deliveries, so memory stays
 * bounded for values of any size; values within the budget are delivered in one go (rule A-1).
 */
import type { RawCoID } from "cojson";
import type { LoadedCoValue, LoadedSession, Piece } from "./codec/loaded.js";
import type { ContentMessage, KnownState, SessionContent } from "./cojson-internals.js";
import { addSession, type Deliverable, emptyMessage, type Prepared, prepare } from "./delivery.js";

/** Pieces read at once while a window is filled. */
const READS_AT_A_TIME = 16;

/** What happens when the value is delivered. */
export interface DeliveryHooks {
  /** Gives the counters of the value's known state. */
  begin(sessions: readonly LoadedSession[]): KnownState["sessions"];
  finish(): void;
  abandon(): void;
}

/** Reads a piece; `undefined` if it was erased meanwhile. */
export type PieceReader = (session: string, piece: Piece) => Promise<SessionContent | undefined>;

export class CollectedValue implements Deliverable {
  private readonly ready: Prepared[] = [];
  private message: ContentMessage;
  private readonly streams: boolean;
  private complete = false;
  private session = 0;
  private piece = 0;
  /** Content that was read piece by piece. */
  private readonly window = new Map<Piece, SessionContent | undefined>();

  constructor(
    readonly id: RawCoID,
    private readonly value: LoadedCoValue,
    private readonly hooks: DeliveryHooks,
  ) {
    const { header, sessions } = value;
    this.message = emptyMessage(id, header);
    this.streams = sessions.some((session) => session.hasChunkSignature);
    this.build();
  }

  begin(): void {
    const counters = this.hooks.begin(this.value.sessions);
    // The live counters, as cojson's own storages give them: what is stored meanwhile is to be expected as well.
    if (this.streams) (this.ready[0]?.message ?? this.message).expectContentUntil = counters;
  }

  finish(): void {
    this.hooks.finish();
  }

  abandon(): void {
    this.hooks.abandon();
  }

  next(): Prepared | undefined | "incomplete" {
    return this.ready.shift() ?? (this.complete ? undefined : "incomplete");
  }

  /** The values that messages not delivered yet depend on. */
  *dependencies(): Generator<RawCoID> {
    for (const { dependencies } of this.ready) yield* dependencies;
  }

  /** Reads the next pieces that are not there, until `budget` UTF-16 units of changes are. */
  async readMore(read: PieceReader, budget: number): Promise<void> {
    const lacking = this.lacking();
    for (let left = budget; left > 0 && lacking.length > 0; ) {
      const contents = await Promise.all(
        lacking
          .splice(0, READS_AT_A_TIME)
          .map(async ([session, piece]) => [piece, await read(session, piece)] as const),
      );
      for (const [piece, content] of contents) {
        this.window.set(piece, content);
        left -= content ? unitsOf(content) : 0;
      }
    }
    this.build();
  }

  private lacking(): [session: string, piece: Piece][] {
    const lacking: [string, Piece][] = [];
    for (let s = this.session; s < this.value.sessions.length; s++) {
      const { id, pieces } = this.value.sessions[s] as LoadedSession;
      for (const piece of s === this.session ? pieces.slice(this.piece) : pieces) {
        if (!piece.read) lacking.push([id, piece]);
      }
    }
    return lacking;
  }

  /** Builds messages as far as content is there. */
  private build(): void {
    for (; this.session < this.value.sessions.length; this.session++, this.piece = 0) {
      const { id, pieces } = this.value.sessions[this.session] as LoadedSession;
      for (; this.piece < pieces.length; this.piece++) {
        const piece = pieces[this.piece] as Piece;
        if (!piece.read && !this.window.has(piece)) return;
        const content = piece.read ? piece.read() : this.window.get(piece);
        this.window.delete(piece);
        if (!content) continue;
        addSession(this.message, id, content);
        if (pieces.length > 1) this.push();
      }
    }
    this.complete = true;
    if (!this.streams || Object.keys(this.message.new).length > 0) this.push();
  }

  private push(): void {
    const { header } = this.value;
    this.ready.push(prepare(this.message, header));
    this.message = emptyMessage(this.id, header);
  }
}

function unitsOf({ newTransactions }: SessionContent): number {
  let units = 0;
  for (const transaction of newTransactions) {
    const changes: unknown =
      transaction.privacy === "private" ? transaction.encryptedChanges : transaction.changes;
    units += typeof changes === "string" ? changes.length : 1;
  }
  return units;
}
