/**
 * The calls of one storage object to an engine in another context, which may end and be replaced by another one at any time.
 *
 * - What is called in one turn goes in one frame; what takes long in one of its own, as it is answered after what follows it.
 * - A frame is kept until it is answered. When another engine takes over, all that are kept are sent to it, in their order:
 *   what the first one did of them is done again without effect, as every operation can be repeated (docs/design.md, 11.3).
 */
import type { NativeStorageError } from "../errors.js";
import type { HostingEvent } from "../options.js";
import { fromPosted } from "./failure.js";
import { Failure, FrameReader, FrameWriter, isUpkeep, type RemoteMethod } from "./frames.js";
import { type FromServer, type OpenRequest, type ToServer, VERSIONS } from "./protocol.js";

/** A way to an engine. It ends with the engine, or with this side. */
export interface Link {
  post(message: ToServer): void;
  close(): void;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Sent {
  readonly from: number;
  readonly frame: Uint8Array;
  readonly waiters: readonly Waiter[];
}

/** What an engine says besides answers. */
export interface ConnectionEvents {
  /** The engine has opened the store for this connection; or has refused to. */
  opened(error: NativeStorageError | undefined): void;
  /** All that is waited for, and all that will be called, fails with this. */
  failed(error: NativeStorageError): void;
  /** Something that belongs to no call. */
  told(message: Extract<FromServer, { kind: "event" | "progress" | "piece" }>): void;
}

export class Connection {
  #link: Link | undefined;
  readonly #writer = new FrameWriter();
  #waiters: Waiter[] = [];
  #kept: Sent[] = [];
  #next = 0;
  #failure: NativeStorageError | undefined;

  constructor(
    private readonly request: OpenRequest,
    private readonly events: ConnectionEvents,
  ) {}

  /** Whether all its calls fail. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  call(method: RemoteMethod, ...args: unknown[]): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    const isAlone = isUpkeep(method);
    if (isAlone) this.#send();
    else if (this.#waiters.length === 0) queueMicrotask(() => this.#send());
    this.#writer.call(method, args);
    const answer = new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
    if (isAlone) this.#send();
    return answer;
  }

  /** Something that no answer belongs to, and that goes with its engine. */
  tell(message: ToServer): void {
    this.#link?.post(message);
  }

  /** Goes on with an engine, from the first frame that is not answered. */
  attach(link: Link): void {
    this.detach();
    if (this.#failure) {
      link.close();
      return;
    }
    this.#link = link;
    link.post({ kind: "open", request: this.request, versions: VERSIONS });
    for (const { frame } of this.#kept) link.post(frame);
  }

  /** Keeps what is called from now on. */
  detach(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  /** Ends all that is waited for, and whatever is called later, with this error. */
  fail(error: NativeStorageError): void {
    this.#failure ??= error;
    this.detach();
    const kept = this.#kept.flatMap(({ waiters }) => waiters);
    const waiters = [...kept, ...this.#waiters];
    this.#kept = [];
    this.#waiters = [];
    this.#writer.reset();
    for (const waiter of waiters) waiter.reject(error);
    this.events.failed(error);
  }

  /** Takes what the engine of a link has to say. Of an earlier one nothing counts. */
  receive(link: Link, message: FromServer): void {
    if (link !== this.#link) return;
    if (message instanceof Uint8Array) this.#answered(message);
    else if (message.kind !== "opened") this.events.told(message);
    else this.events.opened(message.error && fromPosted(message.error));
  }

  /** Takes what this context has to say of the engine. */
  tellEvent(event: HostingEvent): void {
    this.events.told({ kind: "event", event });
  }

  #send(): void {
    const waiters = this.#waiters;
    if (waiters.length === 0) return;
    const from = this.#next;
    const frame = this.#writer.take(from, 0);
    // Numbers of calls come again only when all before have long been answered.
    this.#next = (from + waiters.length) % 2 ** 32;
    this.#waiters = [];
    this.#kept.push({ from, frame, waiters });
    this.#link?.post(frame);
  }

  #answered(frame: Uint8Array): void {
    const reader = new FrameReader(frame);
    const at = this.#kept.findIndex(({ from }) => from === reader.from);
    const [sent] = at < 0 ? [] : this.#kept.splice(at, 1);
    if (!sent) return;
    for (const waiter of sent.waiters) {
      const value = reader.value();
      if (value instanceof Failure) waiter.reject(value.error);
      else waiter.resolve(value);
    }
  }
}
