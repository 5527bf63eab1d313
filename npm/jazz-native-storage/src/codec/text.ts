/**
 * Strings to bytes and back: WTF-8, that is UTF-8 in which a lone surrogate is the three bytes of its code point, so every
 * JavaScript string survives. What the platform offers for speed (Node's Buffer, else the Encoding standard) is chosen
 * once; both replace lone surrogates, so those strings take the plain code below.
 */

/** The platform's own string conversions. */
export interface TextPlatform {
  allocate(size: number): Uint8Array;
  /** The same bytes in memory of their own. */
  copy(bytes: Uint8Array): Uint8Array;
  /** Writes UTF-8, U+FFFD for lone surrogates, and gives the bytes written. The caller makes room. */
  writeUtf8(bytes: Uint8Array, text: string, at: number): number;
  /** The size of `text` in WTF-8, in bytes. */
  size(text: string): number;
  /** Up to so many units, a loop over them beats `writeUtf8`. */
  readonly loopLength: number;
  /** Decodes bytes that are all ASCII. */
  ascii(bytes: Uint8Array, start: number, end: number): string;
  /** Whether `ascii` gives a unit for each byte of any bytes, so cheaply that strings are rather cut from it than decoded. */
  readonly asciiIsLatin1: boolean;
  /** Decodes UTF-8, giving U+FFFD for whatever is not. */
  utf8(bytes: Uint8Array, start: number, end: number): string;
}

/** Methods of Node's Buffer that do without the argument handling of `write` and `toString`. */
interface FastBuffer extends Uint8Array {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, at: number): number;
}

export const webText: TextPlatform = (() => {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  // To the Encoding standard this is windows-1252, of which every byte is one unit, and those of ASCII are the same.
  const bytewise = new TextDecoder("latin1");
  return {
    allocate: (size) => new Uint8Array(size),
    copy: (bytes) => bytes.slice(),
    writeUtf8: (bytes, text, at) => encoder.encodeInto(text, bytes.subarray(at)).written,
    size: wtf8Size,
    // Measured in Chromium 156 and Firefox 153, as is what `asciiIsLatin1` gains.
    loopLength: 256,
    ascii: (bytes, start, end) => bytewise.decode(bytes.subarray(start, end)),
    asciiIsLatin1: true,
    utf8: (bytes, start, end) => decoder.decode(bytes.subarray(start, end)),
  };
})();

function bufferText(): TextPlatform | undefined {
  if (typeof Buffer !== "function") return undefined;
  const prototype = Buffer.prototype as unknown as Partial<FastBuffer>;
  const { latin1Slice, utf8Slice } = prototype;
  if (!latin1Slice || !utf8Slice || !prototype.utf8Write || !isLikeNodes(prototype)) return undefined;
  return {
    allocate: (size) => Buffer.allocUnsafeSlow(size),
    // From Buffer's pool if small: memory of its own for each message costs more than writing the message.
    copy: (bytes) => Buffer.from(bytes),
    writeUtf8: (bytes, text, at) => (bytes as FastBuffer).utf8Write(text, at),
    size: (text) => Buffer.byteLength(text, "utf8"),
    // Measured in Node 20.
    loopLength: 24,
    // Called on plain arrays too, which saves making a Buffer of each answer.
    ascii: (bytes, start, end) => latin1Slice.call(bytes as FastBuffer, start, end),
    asciiIsLatin1: true,
    utf8: (bytes, start, end) => utf8Slice.call(bytes as FastBuffer, start, end),
  };
}

/** Whether these methods do what is asked of them here: those of other platforms, such as Cloudflare's, may be stricter. */
function isLikeNodes({ latin1Slice, utf8Slice, utf8Write }: Partial<FastBuffer>): boolean {
  try {
    const bytes = Buffer.alloc(3);
    const plain = Uint8Array.of(0, 0xc3, 0xa9);
    return (
      utf8Write?.call(bytes as unknown as FastBuffer, "\u00e9", 1) === 2 &&
      bytes.every((byte, place) => byte === plain[place]) &&
      latin1Slice?.call(plain as FastBuffer, 1, 3) === "\u00c3\u00a9" &&
      utf8Slice?.call(plain as FastBuffer, 1, 3) === "\u00e9"
    );
  } catch {
    return false;
  }
}

/** The fastest conversions here. */
export const text: TextPlatform = bufferText() ?? webText;

function wtf8Size(value: string): number {
  let size = value.length;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit < 0x80) continue;
    size += unit < 0x800 ? 1 : 2;
    if (isPair(unit, value, i)) {
      // Two units of a pair are four bytes, of which the two units themselves are already counted.
      i++;
    }
  }
  return size;
}

/** Writes `value` as WTF-8 at `at`, where there is room, and gives the offset after it. */
export function writeWtf8(bytes: Uint8Array, value: string, at: number): number {
  for (let i = 0; i < value.length; i++) {
    let point = value.charCodeAt(i);
    if (point < 0x80) {
      bytes[at++] = point;
    } else if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
      bytes[at++] = 0x80 | (point & 0x3f);
    } else if (isPair(point, value, i)) {
      point = 0x10000 + ((point - 0xd800) << 10) + (value.charCodeAt(++i) - 0xdc00);
      bytes[at++] = 0xf0 | (point >> 18);
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[at++] = 0x80 | (point & 0x3f);
    } else {
      bytes[at++] = 0xe0 | (point >> 12);
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[at++] = 0x80 | (point & 0x3f);
    }
  }
  return at;
}

/** Decodes WTF-8 that is not all ASCII. */
export function readWtf8(platform: TextPlatform, bytes: Uint8Array, start: number, end: number): string {
  const value = platform.utf8(bytes, start, end);
  // A replacement character is either stored as such or stands for a lone surrogate: only the bytes can tell.
  return value.includes("\ufffd") ? readSurrogates(bytes, start, end) : value;
}

/** Units per call of `String.fromCharCode`, whose arguments are on the stack. */
const UNITS_AT_A_TIME = 4096;

function readSurrogates(bytes: Uint8Array, start: number, end: number): string {
  let value = "";
  let units: number[] = [];
  let at = start;
  const continuation = () => (bytes[at++] ?? 0) & 0x3f;
  while (at < end) {
    const lead = bytes[at++] ?? 0;
    if (lead < 0x80) {
      units.push(lead);
    } else if (lead < 0xe0) {
      units.push(((lead & 0x1f) << 6) | continuation());
    } else if (lead < 0xf0) {
      units.push(((lead & 0x0f) << 12) | (continuation() << 6) | continuation());
    } else {
      const point = ((lead & 0x07) << 18) | (continuation() << 12) | (continuation() << 6) | continuation();
      units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + (point & 0x3ff));
    }
    if (units.length >= UNITS_AT_A_TIME) {
      value += String.fromCharCode(...units);
      units = [];
    }
  }
  return value + String.fromCharCode(...units);
}

/** Whether no surrogate stands alone. */
export function isWellFormed(value: string): boolean {
  const { isWellFormed: method } = String.prototype as { isWellFormed?: (this: string) => boolean };
  return method ? method.call(value) : !/\p{Surrogate}/u.test(value);
}

function isPair(unit: number, value: string, i: number): boolean {
  if (unit < 0xd800 || unit > 0xdbff) return false;
  const next = value.charCodeAt(i + 1);
  return next >= 0xdc00 && next <= 0xdfff;
}
