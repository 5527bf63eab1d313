/**
 * A growable byte buffer for the fixed-width forms of the design document. One writer serves many messages: what it gives
 * out is valid until it is next written to, unless taken by {@link ByteWriter.copy}.
 */
import { NativeStorageError } from "../errors.js";
import { STR16_MAX, STR16_NOT_ASCII, STR32_MAX, STR32_NOT_ASCII } from "../generated/definitions.js";
import { isWellFormed, type TextPlatform, text, writeWtf8 } from "./text.js";

/** From this length the exact size is worth counting, rather than making room for three bytes a unit. */
const COUNTED_LENGTH = 1 << 16;
/** A buffer larger than this is not kept for the next message, in bytes. */
const KEPT_SIZE = 1 << 22;
const INITIAL_SIZE = 1 << 14;
/** Views of fewer bytes are kept, as ids and most messages have one of a few lengths. */
const VIEWED_SIZE = 1 << 10;

const U32_LIMIT = 0xffffffff;

export class ByteWriter {
  private bytes: Uint8Array;
  private view: DataView;
  /** Views of the first bytes, by their number. */
  private views: (Uint8Array | undefined)[] = [];
  private readonly loopLength: number;
  /** Bytes written so far. */
  length = 0;

  constructor(private readonly platform: TextPlatform = text) {
    this.loopLength = platform.loopLength;
    this.bytes = platform.allocate(INITIAL_SIZE);
    this.view = viewOf(this.bytes);
  }

  /** Begins anew. */
  reset(): this {
    this.length = 0;
    if (this.bytes.length > KEPT_SIZE) this.use(this.platform.allocate(INITIAL_SIZE));
    return this;
  }

  /** What was written, as a view of the buffer. */
  written(): Uint8Array {
    const { length } = this;
    if (length >= VIEWED_SIZE) return this.bytes.subarray(0, length);
    const known = this.views[length];
    if (known) return known;
    const view = this.bytes.subarray(0, length);
    this.views[length] = view;
    return view;
  }

  /** What was written, as bytes of its own. */
  copy(): Uint8Array {
    return this.platform.copy(this.written());
  }

  u8(value: number): void {
    this.ensure(1);
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.ensure(2);
    this.putU16(this.length, value);
    this.length += 2;
  }

  u32(value: number): void {
    this.ensure(4);
    this.putU32(this.length, value);
    this.length += 4;
  }

  f64(value: number): void {
    this.ensure(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** Sets a `u32` that was written before, e.g. a length that is known only now. */
  patchU32(at: number, value: number): void {
    this.putU32(at, value);
  }

  raw(bytes: Uint8Array): void {
    this.ensure(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** The bare bytes of a string, as ids are passed. */
  bare(value: string): void {
    this.put(value, this.length);
  }

  /** Throws `TOO_LARGE` if `value` has over 32,767 bytes; `what` names it in the error. */
  str16(value: string, what: string): void {
    const head = this.length;
    this.ensure(2);
    const ascii = this.put(value, head + 2);
    const size = this.length - head - 2;
    if (size > STR16_MAX) {
      this.length = head;
      throw tooLarge(what, size, STR16_MAX);
    }
    this.putU16(head, ascii ? size : size | STR16_NOT_ASCII);
  }

  /** Throws `TOO_LARGE` if `value` has over 2,147,483,647 bytes; `what` names it in the error. */
  str32(value: string, what: string): void {
    const head = this.length;
    this.ensure(4);
    const ascii = this.put(value, head + 4);
    const size = this.length - head - 4;
    if (size > STR32_MAX) {
      this.length = head;
      throw tooLarge(what, size, STR32_MAX);
    }
    this.putU32(head, ascii ? size : size | STR32_NOT_ASCII);
  }

  /** Writes the WTF-8 of `value` at `at`, ends there, and tells whether all of it is ASCII. */
  private put(value: string, at: number): boolean {
    const units = value.length;
    if (units <= this.loopLength) {
      this.reserve(at + units * 3);
      const bytes = this.bytes;
      let seen = 0;
      for (let i = 0; i < units; i++) {
        const unit = value.charCodeAt(i);
        seen |= unit;
        bytes[at + i] = unit;
      }
      const ascii = seen < 0x80;
      this.length = ascii ? at + units : writeWtf8(bytes, value, at);
      return ascii;
    }
    this.reserve(at + (units < COUNTED_LENGTH ? units * 3 : this.platform.size(value)));
    const size = this.platform.writeUtf8(this.bytes, value, at);
    this.length = at + size;
    if (size === units) return true;
    if (!isWellFormed(value)) this.length = writeWtf8(this.bytes, value, at);
    return false;
  }

  private putU16(at: number, value: number): void {
    const bytes = this.bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
  }

  private putU32(at: number, value: number): void {
    const bytes = this.bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  private ensure(more: number): void {
    if (this.length + more > this.bytes.length) this.grow(this.length + more);
  }

  private reserve(size: number): void {
    if (size > this.bytes.length) this.grow(size);
  }

  private grow(size: number): void {
    // A message's sizes and offsets are u32, so no message is larger.
    if (size > U32_LIMIT) throw tooLarge("a message", size, U32_LIMIT);
    const grown = this.platform.allocate(Math.min(Math.max(size, this.bytes.length * 2), U32_LIMIT));
    grown.set(this.bytes.subarray(0, this.length));
    this.use(grown);
  }

  private use(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.views = [];
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function tooLarge(what: string, size: number, limit: number): NativeStorageError {
  return new NativeStorageError(
    "TOO_LARGE",
    `${what} of ${size} bytes is larger than the limit of ${limit} bytes; nothing was stored`,
  );
}
