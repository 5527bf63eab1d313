/**
 * Delivering loaded values: before a message is given to the callback, every value it depends on that is not in memory is
 * delivered whole, and so on (rule L-5). The walk keeps its own stack, so the depth of a chain of dependencies is not
 * bounded by the JavaScript stack.
 */
import type { RawCoID, SessionID } from "cojson";
import type { WholeCoValue } from "./codec/whole.js";
import {
  type ContentMessage,
  type CoValueHeader,
  getDependedOnCoValuesFromRawData,
  getPriorityFromHeader,
  type SessionContent,
} from "./cojson-internals.js";
import { setOwn } from "./own.js";

export type ContentCallback = (message: ContentMessage) => void;

/** A message and the values that have to be delivered before it. */
export interface Prepared {
  readonly message: ContentMessage;
  readonly dependencies: readonly RawCoID[];
}

/** A value, or a part of one, on its way to the caller. */
export interface Deliverable {
  /** Called before its dependencies are looked at: from here on it counts as delivered, which ends cycles (rule L-7). */
  begin(): void;
  /** The next message; `undefined` after the last, `"incomplete"` if more content has to be read first. */
  next(): Prepared | undefined | "incomplete";
  /** Called after the last message. */
  finish(): void;
  /** Called instead of `finish` if delivery fails: it does not count as delivered any more. */
  abandon(): void;
}

/** Where dependencies come from. */
export interface Dependencies {
  has(id: RawCoID): boolean;
  /** `undefined` if the value is not stored: its dependents are delivered all the same (rule L-8). */
  open(id: RawCoID): Deliverable | undefined;
}

interface Frame {
  readonly value: Deliverable;
  pending: Prepared | undefined;
  nextDependency: number;
}

export class Delivery {
  private readonly stack: Frame[] = [];

  constructor(
    root: Deliverable,
    private readonly inMemory: Dependencies,
    private readonly callback: ContentCallback,
  ) {
    this.enter(root);
  }

  /**
   * Delivers as far as content is there, and gives the value that needs more, or `undefined` when all is delivered. What
   * the callback throws ends the delivery and is thrown on.
   */
  run(): Deliverable | undefined {
    try {
      for (let frame = this.stack.at(-1); frame !== undefined; frame = this.stack.at(-1)) {
        if (!frame.pending) {
          const next = frame.value.next();
          if (next === "incomplete") return frame.value;
          if (next === undefined) {
            frame.value.finish();
            this.stack.pop();
            continue;
          }
          frame.pending = next;
          frame.nextDependency = 0;
        }
        this.step(frame, frame.pending);
      }
      return undefined;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Ends the delivery: what was not delivered whole is given up. */
  abandon(): void {
    for (const { value } of this.stack.splice(0)) value.abandon();
  }

  private step(frame: Frame, { message, dependencies }: Prepared): void {
    while (frame.nextDependency < dependencies.length) {
      const id = dependencies[frame.nextDependency++] as RawCoID;
      if (this.inMemory.has(id)) continue;
      const value = this.inMemory.open(id);
      if (value) {
        this.enter(value);
        return;
      }
    }
    frame.pending = undefined;
    this.callback(message);
  }

  private enter(value: Deliverable): void {
    this.stack.push({ value, pending: undefined, nextDependency: 0 });
    value.begin();
  }
}

/** A content message without content. */
export function emptyMessage(id: RawCoID, header: CoValueHeader): ContentMessage {
  return { action: "content", id, header, priority: getPriorityFromHeader(header), new: {} };
}

export function addSession(message: ContentMessage, session: string, content: SessionContent): void {
  setOwn(message.new, session, content);
}

export function prepare(message: ContentMessage, header: CoValueHeader): Prepared {
  const dependencies = dependenciesOf(
    message.id,
    header,
    Object.keys(message.new),
    Object.values(message.new),
  );
  return { message, dependencies: [...dependencies] };
}

/** The values that have to be delivered before a message of these contents. */
export function dependenciesOf(
  id: RawCoID,
  header: CoValueHeader,
  sessions: readonly string[],
  contents: readonly SessionContent[],
): Set<RawCoID> {
  const transactions = contents.map((content) => content.newTransactions);
  return getDependedOnCoValuesFromRawData(id, header, sessions as SessionID[], transactions);
}

/**
 * What messages of values of a group depend on, and how urgent they are: mostly the same as for the message before, as one
 * session writes to many values of one group. Only for headers without meta, of which all else makes no difference.
 */
export class GroupMemory {
  private group: string | undefined;
  private session: string | undefined;
  private dependencies: readonly RawCoID[] = [];
  private priority: ContentMessage["priority"] | undefined;

  /** The values that have to be delivered before a message; the value itself may be among them. */
  dependenciesOf({ group, header, sessions, contents }: WholeCoValue): readonly RawCoID[] {
    const [session] = sessions;
    if (sessions.length === 1 && group === this.group && session === this.session) return this.dependencies;
    // No value has this id, so none is left out as being the value itself.
    const dependencies = [...dependenciesOf("co_z" as RawCoID, header, sessions, contents)];
    if (sessions.length === 1) {
      this.group = group;
      this.session = session;
      this.dependencies = dependencies;
    }
    return dependencies;
  }

  priorityOf(header: CoValueHeader): ContentMessage["priority"] {
    this.priority ??= getPriorityFromHeader(header);
    return this.priority;
  }
}
