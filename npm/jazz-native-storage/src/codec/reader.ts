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

/** What stands before an answer that is lent, in bytes: its length. */
export const LENT_HEAD = 4;

export class ByteReader {
  /** A unit for each byte from `start` on, if strings are cut from it. */
  private units: string | undefined;
  private readonly start: number;

  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    private readonly end: number = bytes.length,
    private readonly platform: TextPlatform = text,
  ) {
    this.start = at;
  }

  /**
   * Has strings share the memory of one that is made now of all the bytes, where making each costs more: good for bytes
   * that hold several strings and little else, all of which live about as long.
   */
  sharing(): this {
    if (this.units === undefined && this.platform.asciiIsLatin1)
      this.units = this.platform.ascii(this.bytes, this.start, this.end);
    return this;
  }

  u8(): number {
    return this.bytes[this.take(1)] as number;
  }

  u16(): number {
    const at = this.take(2);
    const bytes = this.bytes;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  }

  u32(): number {
    return u32At(this.bytes, this.take(4));
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

  /** A `str16` that shares no memory. One that was read lately is given again, as names of sessions come again and again. */
  name16(): string {
    const head = this.u16();
    const size = head & STR16_MAX;
    if (head > STR16_MAX) return this.string(size, true);
    const start = this.take(size);
    return nameAgain(this.platform.ascii(this.bytes, start, start + size));
  }

  private string(size: number, wide: boolean): string {
    const start = this.take(size);
    if (wide) return readWtf8(this.platform, this.bytes, start, start + size);
    if (this.units === undefined) return this.platform.ascii(this.bytes, start, start + size);
    return this.units.substring(start - this.start, start - this.start + size);
  }
}

export function u32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** A reader of an answer that is lent: valid until the engine lends the next one. */
export function lentReader(bytes: Uint8Array): ByteReader {
  return new ByteReader(bytes, LENT_HEAD, lentEnd(bytes));
}

/** An answer that is lent, in memory of its own; a long one, for which there is a `Buffer` of its own, stays there. */
export function lentCopy(bytes: Uint8Array): Uint8Array {
  return bytes.slice(LENT_HEAD, lentEnd(bytes));
}

export function lentEnd(bytes: Uint8Array): number {
  const end = LENT_HEAD + u32At(bytes, 0);
  if (end > bytes.length) throw malformed("it ends early");
  return end;
}

/** The array in which an answer was lent last: mostly the same one again. */
let lent: Uint8Array | undefined;
let lentAsView = view;
/** The most that bindings lend, in bytes: a longer array is the answer's own, and is not kept. */
const LENT_MAX = 1 << 20;

/** A view of an answer that is lent. */
export function lentView(bytes: Uint8Array): DataView {
  if (lent === bytes) return lentAsView;
  const made = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length <= LENT_MAX) {
    lent = bytes;
    lentAsView = made;
  }
  return made;
}

/** Names that were read lately, each at its place. */
export const lately: string[] = new Array<string>(64).fill("");

/** The place of a name of so many units, by its last ones. */
export function placeOfName(last: number, lastButOne: number, length: number): number {
  return (last * 31 + lastButOne * 7 + length) & 63;
}

/**
 * The same string again if it was read lately. It is a property's name then, so that using it as one takes no search among
 * all names; comparing takes less than that search.
 */
export function nameAgain(name: string): string {
  const { length } = name;
  const place = placeOfName(name.charCodeAt(length - 1), name.charCodeAt(length - 2), length);
  const known = lately[place] as string;
  if (known === name) return known;
  lately[place] = name;
  return name;
}

export function malformed(detail: string): NativeStorageError {
  return new NativeStorageError("INTERNAL", `the engine's answer is malformed (${detail}); please report it`);
}
