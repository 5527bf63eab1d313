/**
 * What crosses between a page, or any other context, and the one that has the engine: calls and their answers, all of one
 * turn in one frame of bytes, whatever carries it.
 *
 * | bytes | |
 * |---|---|
 * | `u32` | the connection, where several share a way |
 * | `u32` | the number of the first call; the others follow. Answers come in frames of the same number |
 * | rest | calls: the number of a method and how many values it is given, a byte each, and these; or values, the answers |
 *
 * A value is a byte that says what it is, and what belongs to it: `u32` length and bytes, `f64`, `u32` length and JSON, or
 * `u32` count and several byte values. Numbers are little-endian.
 */
import type { NativeStorageError } from "../errors.js";
import type { NativeStorage } from "../generated/native.js";
import { fromPosted, type PostedError } from "./failure.js";

/** The methods of the engine that are called from afar, in their blocking form. Their order is part of the protocol. */
const ENGINE_METHODS = [
  "store",
  "storeBatch",
  "load",
  "loadMany",
  "loadPiece",
  "knownState",
  "pendingDeletions",
  "erase",
  "coValueIds",
  "coValueCount",
  "trackSyncState",
  "unsyncedIds",
  "stopTracking",
  "tryAcquireLock",
  "renewLock",
  "releaseLock",
  "flush",
  "stats",
  "close",
] as const satisfies readonly (keyof NativeStorage)[];

/** Those that take long, which the engine's context prepares. Each goes in a frame of its own, and is answered when it is done. */
const UPKEEP = ["compact", "verify", "archive"] as const;

/** Those that the engine's context makes of several. */
const GATHERING = ["loadWithDependencies"] as const;

export type RemoteMethod = (typeof ENGINE_METHODS | typeof UPKEEP | typeof GATHERING)[number];

export function isUpkeep(method: RemoteMethod): boolean {
  return (UPKEEP as readonly string[]).includes(method);
}

const METHODS: readonly RemoteMethod[] = [...ENGINE_METHODS, ...UPKEEP, ...GATHERING];
const NUMBERS = new Map(METHODS.map((method, number) => [method, number]));

const CONNECTION_AT = 0;
const FROM_AT = 4;
const HEADER_BYTES = 8;

const NOTHING = 0;
const FALSE = 1;
const TRUE = 2;
const NUMBER = 3;
const BYTES = 4;
const JSON_TEXT = 5;
const ERROR = 6;
const SEVERAL = 7;

const LEAST_ROOM = 16 * 1024;
/** A writer that once needed more does not keep it. */
const MOST_ROOM = 4 << 20;

/** Bytes of several things, which are one answer. */
export class Several {
  constructor(readonly parts: readonly Uint8Array[]) {}
}

/** Writes frames, one after the other. */
export class FrameWriter {
  #bytes = new Uint8Array(LEAST_ROOM);
  #view = new DataView(this.#bytes.buffer);
  #length = HEADER_BYTES;

  call(method: RemoteMethod, args: readonly unknown[]): void {
    this.#reserve(2);
    this.#bytes[this.#length++] = NUMBERS.get(method) as number;
    this.#bytes[this.#length++] = args.length;
    for (const arg of args) this.value(arg);
  }

  value(value: unknown): void {
    switch (typeof value) {
      case "undefined":
        this.#tag(NOTHING, 0);
        break;
      case "boolean":
        this.#tag(value ? TRUE : FALSE, 0);
        break;
      case "number":
        this.#tag(NUMBER, 8);
        this.#view.setFloat64(this.#length, value, true);
        this.#length += 8;
        break;
      default:
        if (value === null) this.#tag(NOTHING, 0);
        else if (value instanceof Uint8Array) this.#sized(BYTES, value);
        else if (value instanceof Several) this.#several(value);
        else this.#json(JSON_TEXT, value);
    }
  }

  error(error: PostedError): void {
    this.#json(ERROR, { code: error.code, message: error.message });
  }

  /** The frame, which begins with the call of this number; the next one can be written then. */
  take(from: number, connection: number): Uint8Array<ArrayBuffer> {
    this.#view.setUint32(CONNECTION_AT, connection, true);
    this.#view.setUint32(FROM_AT, from, true);
    const frame = this.#bytes.slice(0, this.#length);
    this.#length = HEADER_BYTES;
    if (this.#bytes.length > MOST_ROOM) this.#resize(LEAST_ROOM);
    return frame;
  }

  /** Drops what was written. */
  reset(): void {
    this.#length = HEADER_BYTES;
  }

  #json(tag: number, value: unknown): void {
    this.#sized(tag, new TextEncoder().encode(JSON.stringify(value)));
  }

  #several({ parts }: Several): void {
    this.#tag(SEVERAL, 4);
    this.#view.setUint32(this.#length, parts.length, true);
    this.#length += 4;
    for (const part of parts) this.#sized(BYTES, part);
  }

  #sized(tag: number, bytes: Uint8Array): void {
    this.#tag(tag, 4 + bytes.length);
    this.#view.setUint32(this.#length, bytes.length, true);
    this.#bytes.set(bytes, this.#length + 4);
    this.#length += 4 + bytes.length;
  }

  #tag(tag: number, more: number): void {
    this.#reserve(1 + more);
    this.#bytes[this.#length++] = tag;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed > this.#bytes.length) this.#resize(Math.max(needed, 2 * this.#bytes.length));
  }

  #resize(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Says whose a frame is, in its bytes. */
export function addressed(frame: Uint8Array, connection: number): Uint8Array {
  new DataView(frame.buffer, frame.byteOffset).setUint32(CONNECTION_AT, connection, true);
  return frame;
}

/** Whose a frame is. */
export function connectionOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(CONNECTION_AT, true);
}

/** A value that was an error. */
export class Failure {
  constructor(readonly error: NativeStorageError) {}
}

/** Reads a frame. Byte values are views of it. */
export class FrameReader {
  readonly #view: DataView;
  #at = HEADER_BYTES;

  constructor(private readonly frame: Uint8Array) {
    this.#view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  }

  get connection(): number {
    return this.#view.getUint32(CONNECTION_AT, true);
  }

  get from(): number {
    return this.#view.getUint32(FROM_AT, true);
  }

  get hasMore(): boolean {
    return this.#at < this.frame.length;
  }

  call(): { method: RemoteMethod; args: unknown[] } {
    const method = METHODS[this.#byte()] as RemoteMethod;
    const args = Array.from({ length: this.#byte() }, () => this.value());
    return { method, args };
  }

  value(): unknown {
    switch (this.#byte()) {
      case FALSE:
        return false;
      case TRUE:
        return true;
      case NUMBER:
        this.#at += 8;
        return this.#view.getFloat64(this.#at - 8, true);
      case BYTES:
        return this.#sized();
      case JSON_TEXT:
        return this.#json();
      case SEVERAL:
        return this.#several();
      case ERROR:
        return new Failure(fromPosted(this.#json() as PostedError));
      default:
        return undefined;
    }
  }

  #several(): Several {
    this.#at += 4;
    const count = this.#view.getUint32(this.#at - 4, true);
    return new Several(Array.from({ length: count }, () => this.value() as Uint8Array));
  }

  #byte(): number {
    return this.frame[this.#at++] as number;
  }

  #sized(): Uint8Array {
    const length = this.#view.getUint32(this.#at, true);
    this.#at += 4 + length;
    return this.frame.subarray(this.#at - length, this.#at);
  }

  #json(): unknown {
    return JSON.parse(new TextDecoder().decode(this.#sized()));
  }
}
