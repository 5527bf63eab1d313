import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readLentKnownState } from "../src/codec/lists.js";
import { ByteReader, lentView } from "../src/codec/reader.js";
import { type TextPlatform, text, webText } from "../src/codec/text.js";
import { readTransactions, writeTransactions } from "../src/codec/transactions.js";
import { ByteWriter } from "../src/codec/writer.js";
import { NativeStorageError } from "../src/errors.js";
import type { Transaction } from "./support.js";

const PLATFORMS: [string, TextPlatform][] = [
  ["Buffer", text],
  ["Encoding standard", webText],
];

/** Any sequence of UTF-16 units, lone surrogates included, with a bias to those that matter. */
const anyString = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0x20, max: 0x7e }),
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0x7f, 0x80, 0x7ff, 0x800, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xfffd, 0xfeff, 0),
    ),
    { maxLength: 80 },
  )
  .map((units) => String.fromCharCode(...units));

function utf16Of(value: string): number[] {
  return Array.from({ length: value.length }, (_, i) => value.charCodeAt(i));
}

/** WTF-8 by its definition: the reference for both platforms. */
function wtf8Of(value: string): number[] {
  const bytes: number[] = [];
  for (const character of value) {
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000)
      bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else
      bytes.push(
        0xf0 | (point >> 18),
        0x80 | ((point >> 12) & 63),
        0x80 | ((point >> 6) & 63),
        0x80 | (point & 63),
      );
  }
  return bytes;
}

describe.each(PLATFORMS)("strings with %s", (_, platform) => {
  test("bytes are WTF-8, the flag is exact and every string comes back", () => {
    fc.assert(
      fc.property(anyString, (value) => {
        const writer = new ByteWriter(platform);
        writer.str16(value, "a string");
        writer.str32(value, "a string");
        writer.bare(value);
        const bytes = [...writer.copy()];
        const body = wtf8Of(value);
        const wide = /[^\0-\x7f]/.test(value) ? 0x80 : 0;
        expect(bytes).toEqual([
          body.length & 0xff,
          (body.length >> 8) | wide,
          ...body,
          body.length & 0xff,
          body.length >> 8,
          0,
          wide,
          ...body,
          ...body,
        ]);
        const reader = new ByteReader(writer.copy(), 0, writer.length - body.length, platform);
        expect(utf16Of(reader.str16())).toEqual(utf16Of(value));
        expect(utf16Of(reader.str32())).toEqual(utf16Of(value));
        reader.finish();
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["ASCII", "a"],
    ["two bytes", "é"],
    ["three bytes", "€"],
    ["pairs", "😀"],
    ["lone surrogates", "a\ud800"],
    ["replacement characters", "a\ufffd"],
  ])("strings beyond the size that is counted: %s", (_name, unit) => {
    const value = unit.repeat(70_000);
    const writer = new ByteWriter(platform);
    writer.str32(value, "a string");
    expect(new ByteReader(writer.copy(), 0, writer.length, platform).str32() === value).toBe(true);
  });

  test("one writer serves strings of every size, one after the other", () => {
    const writer = new ByteWriter(platform);
    for (const length of [0, 1, 24, 25, 100, 5_000_000, 10, 16_384, 16_383]) {
      writer.reset();
      writer.str32("x".repeat(length), "a string");
      expect(writer.length).toBe(length + 4);
      expect(new ByteReader(writer.copy(), 0, writer.length, platform).str32().length).toBe(length);
    }
  });
});

test("a str16 over its limit is refused and leaves nothing behind", () => {
  const writer = new ByteWriter();
  writer.u8(7);
  expect(() => writer.str16("x".repeat(32_768), "an id")).toThrow(
    new NativeStorageError(
      "TOO_LARGE",
      "an id of 32768 bytes is larger than the limit of 32767 bytes; nothing was stored",
    ),
  );
  expect([...writer.copy()]).toEqual([7]);
  writer.str16("x".repeat(32_767), "an id");
});

const compact = fc.oneof(
  fc.record({
    encryptedChanges: anyString,
    keyUsed: fc.oneof(fc.constantFrom("key_z1", "key_z2"), anyString),
    madeAt: fc.double({ noNaN: true }),
    meta: fc.option(anyString, { nil: undefined }),
  }),
  fc.record({
    changes: anyString,
    madeAt: fc.double({ noNaN: true }),
    meta: fc.option(anyString, { nil: undefined }),
  }),
);

/** The four shapes, and the same with something off: shuffled, added, left out or of another type. */
const anyTransaction = fc
  .tuple(compact, fc.boolean(), fc.nat(9), fc.nat(), fc.jsonValue())
  .map(([fields, privacyFirst, change, at, value]) => {
    const kind = "changes" in fields ? "trusting" : "private";
    const names = privacyFirst
      ? kind === "private"
        ? ["privacy", "madeAt", "keyUsed", "encryptedChanges", "meta"]
        : ["privacy", "madeAt", "changes", "meta"]
      : kind === "private"
        ? ["encryptedChanges", "keyUsed", "madeAt", "meta", "privacy"]
        : ["changes", "madeAt", "meta", "privacy"];
    const all: Record<string, unknown> = { ...fields, privacy: kind };
    const entries = names
      .filter((name) => all[name] !== undefined)
      .map((name): [string, unknown] => [name, all[name]]);
    const place = at % entries.length;
    if (change === 0) entries.push(["unknown", value]);
    if (change === 1) entries.splice(place, 1);
    if (change === 2) entries.push(...entries.splice(place, 1));
    if (change === 3) entries[place] = [(entries[place] as [string, unknown])[0], value];
    if (change === 4) entries.push(["meta", undefined]);
    return Object.fromEntries(entries) as unknown as Transaction;
  });

/** As JSON has it, for numbers that it cannot write are the only loss of the verbatim form. */
function asStored(transaction: Transaction): string {
  return JSON.stringify(transaction);
}

describe("transactions", () => {
  test("pieces come back field for field, in the same order", () => {
    fc.assert(
      fc.property(fc.array(anyTransaction, { maxLength: 12 }), (transactions) => {
        const writer = new ByteWriter();
        writeTransactions(writer, transactions);
        const read = readTransactions(new ByteReader(writer.copy()), writer.length, transactions.length);
        expect(read.map(asStored)).toEqual(transactions.map(asStored));
      }),
      { numRuns: 3000 },
    );
  });

  test("bytes of a piece are as documented", () => {
    const writer = new ByteWriter();
    writeTransactions(writer, [
      { encryptedChanges: "ab", keyUsed: "k", madeAt: 1, privacy: "private" },
      { encryptedChanges: "c", keyUsed: "k", madeAt: 2, meta: "é", privacy: "private" },
      { privacy: "trusting", madeAt: 0.5, changes: "[]" },
      { privacy: "trusting", changes: "xy", other: 1 },
    ] as unknown as Transaction[]);
    const f64 = (value: number) => [...new Uint8Array(new Float64Array([value]).buffer)];
    const verbatim = [...new TextEncoder().encode('{"privacy":"trusting","changes":"xy","other":1}')];
    expect([...writer.copy()]).toEqual([
      ...[0x01, ...f64(1), 1, 0, 0x6b, 2, 0, 0, 0, 0x61, 0x62],
      ...[0x31, ...f64(2), 1, 0, 0, 0, 0x63, 2, 0, 0, 0x80, 0xc3, 0xa9],
      ...[0x04, ...f64(0.5), 2, 0, 0, 0, 0x5b, 0x5d],
      ...[0x00, 2, 0, 0, 0, verbatim.length, 0, 0, 0, ...verbatim],
    ]);
  });

  test("numbers that JSON cannot write survive in the compact shapes", () => {
    for (const madeAt of [Number.NaN, Number.POSITIVE_INFINITY, -0]) {
      const transaction = { changes: "[]", madeAt, privacy: "trusting" } as unknown as Transaction;
      const writer = new ByteWriter();
      writeTransactions(writer, [transaction]);
      expect(readTransactions(new ByteReader(writer.copy()), writer.length, 1)).toEqual([transaction]);
    }
  });

  test("what is no object, or has no JSON form, is refused", () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const wrong of [null, undefined, 1, "text", circular, { changes: 1n }]) {
      expect(() => writeTransactions(new ByteWriter(), [wrong as unknown as Transaction])).toThrow(
        expect.objectContaining({ code: "MALFORMED" }),
      );
    }
  });

  test("bytes that end early or late are the engine's fault, never content", () => {
    const writer = new ByteWriter();
    const transactions = [{ encryptedChanges: "ab", keyUsed: "k", madeAt: 1, privacy: "private" }];
    writeTransactions(writer, transactions as unknown as Transaction[]);
    const bytes = writer.copy();
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readTransactions(new ByteReader(bytes.subarray(0, length)), length, 1)).toThrow(
        expect.objectContaining({ code: "INTERNAL" }),
      );
    }
    expect(() => readTransactions(new ByteReader(bytes), bytes.length - 1, 1)).toThrow(
      expect.objectContaining({ code: "INTERNAL" }),
    );
    const withoutKey = bytes.slice();
    withoutKey[0] = 0x21;
    expect(() => readTransactions(new ByteReader(withoutKey), withoutKey.length, 1)).toThrow(
      expect.objectContaining({ code: "INTERNAL" }),
    );
  });
});

describe("known states that are lent", () => {
  /** An answer as the engine lends it, with what is left of a longer one behind it. */
  const lentOf = (counters: readonly (readonly [string, number])[]): Uint8Array => {
    const writer = new ByteWriter();
    writer.u32(0);
    writer.u32(counters.length);
    for (const [session, counter] of counters) {
      writer.str16(session, "a session");
      writer.u32(counter);
    }
    writer.patchU32(0, writer.length - 4);
    writer.raw(new Uint8Array(9).fill(0x61));
    return writer.copy();
  };

  test("any names and counters come back, in their order", () => {
    const name = fc.oneof(anyString, fc.constantFrom("__proto__", "co_z1_session_z2", "co_z1_session_z3"));
    const counters = fc.uniqueArray(fc.tuple(name, fc.integer({ min: 0, max: 0xffffffff })), {
      selector: ([session]) => session,
      maxLength: 6,
    });
    fc.assert(
      fc.property(counters, (stored) => {
        const { sessions: read, ...rest } = readLentKnownState("co_z1", lentOf(stored));
        expect(rest).toEqual({ id: "co_z1", header: true });
        // Such names come first in any object.
        const isIndex = ([session]: readonly [string, number]) => /^(0|[1-9][0-9]*)$/.test(session);
        const inOrder = (entries: readonly (readonly [string, number])[]) =>
          entries.filter((one) => !isIndex(one));
        expect(inOrder(Object.entries(read))).toEqual(inOrder(stored));
        expect(new Map(Object.entries(read))).toEqual(new Map(stored));
      }),
    );
  });

  test("the array in which answers are lent is viewed once, and one of an answer's own is not kept", () => {
    const own = new Uint8Array((1 << 20) + 1);
    expect(lentView(own)).not.toBe(lentView(own));
    const arrays = [16, 1 << 20].map((length) => new Uint8Array(length).fill(length === 16 ? 1 : 2));
    for (const array of arrays) {
      expect(lentView(array)).toBe(lentView(array));
      expect(lentView(own).byteLength).toBe(own.length);
      expect(lentView(array).getUint8(0)).toBe(array[0]);
      expect(lentView(array.subarray(3)).byteLength).toBe(array.length - 3);
    }
  });

  test("bytes that end early, or go on, are an error", () => {
    const whole = lentOf([
      ["co_z1_session_z2", 7],
      ["co_z1_session_zö", 8],
    ]);
    const size = whole.length - 9 - 4;
    const cut = (bytes: Uint8Array, length: number) => {
      const copy = Uint8Array.from(bytes);
      new DataView(copy.buffer).setUint32(0, length, true);
      return copy;
    };
    for (let length = 0; length <= size + 9; length++) {
      if (length !== size) expect(() => readLentKnownState("co_z1", cut(whole, length))).toThrow(/malformed/);
    }
    expect(() => readLentKnownState("co_z1", cut(lentOf([["a", 1]]), 12))).toThrow(/malformed/);
    expect(() => readLentKnownState("co_z1", cut(whole, 1000))).toThrow(/malformed/);
  });
});
