/**
 * A cursor over bytes of the engine. Bytes that end early or do not have the documented form are the engine's fault, and
 * throw `INTERNAL`: nothing is ever made up from missing bytes.
 */

import { NativeStorageError } from "../errors.js";
import { STR16_MAX, STR32_MAX } from "../generated/definitions.js";
import { readWtf8, type TextPlatform, text } from "./text.js";

/** Small answers of the engine share their memory, so that one view serves many of them. */
let viewed: ArrayBufferLike | undefined;
let view = new DataView(new ArrayBuffer(0)) as DataView;

export class ByteReader {
  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    private readonly end: number = bytes.length,
    private readonly platform: TextPlatform = text,
  ) {}

  u8(): number {
    return this.bytes[this.take(1)] as number;
  }

  u16(): number {
    const at = this.take(2);
    const bytes = this.bytes;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  }

  u32(): number {
    const at = this.take(4);
    const bytes = this.bytes;
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    );
  }

  f64(): number {
    const at = this.take(8);
    const { buffer, byteOffset } = this.bytes;
    if (viewed !== buffer) {
      viewed = buffer;
      view = new DataView(buffer);
    }
    return view.getFloat64(byteOffset + at, true);
  }

  /** A `str16`, given that `known` was read from offset `knownAt`: the same string again if the bytes are the same. */
  str16Again(known: string | undefined, knownAt: number): string {
    const { at, bytes } = this;
    if (known !== undefined) {
      const head = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      const size = 2 + (head & STR16_MAX);
      let i = 0;
      while (i < size && bytes[at + i] === bytes[knownAt + i]) i++;
      if (i === size && at + size <= this.end) {
        this.at = at + size;
        return known;
      }
    }
    return this.str16();
  }

  str16(): string {
    const head = this.u16();
    return this.string(head & STR16_MAX, head > STR16_MAX);
  }

  str32(): string {
    const head = this.u32();
    return this.string(head & STR32_MAX, head > STR32_MAX);
  }

  /** Passes over `size` bytes and gives the offset of the first. */
  take(size: number): number {
    const at = this.at;
    const next = at + size;
    if (next > this.end) throw malformed("it ends early");
    this.at = next;
    return at;
  }

  /** Throws unless all bytes were read. */
  finish(): void {
    if (this.at !== this.end) throw malformed("bytes follow its end");
  }

  private string(size: number, wide: boolean): string {
    const start = this.take(size);
    return wide
      ? readWtf8(this.platform, this.bytes, start, start + size)
      : this.platform.ascii(this.bytes, start, start + size);
  }
}

export function malformed(detail: string): NativeStorageError {
  return new NativeStorageError("INTERNAL", `the engine's answer is malformed (${detail}); please report it`);
}
