import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readLoaded } from "../src/codec/loaded.js";
import { lentCopy } from "../src/codec/reader.js";
import { text, webText } from "../src/codec/text.js";
import { writeTransactions } from "../src/codec/transactions.js";
import { readWhole } from "../src/codec/whole.js";
import { ByteWriter } from "../src/codec/writer.js";
import {
  PIECE_HAS_CONTENT,
  PIECE_LEFT_OUT,
  SESSION_HAS_CHUNK_SIGNATURE,
  TX_PRIVATE,
  TX_SAME_KEY,
} from "../src/generated/definitions.js";
import type { Transaction } from "./support.js";

interface Session {
  readonly id: string;
  readonly transactions: readonly Transaction[];
}

const COMMON = {
  type: "comap",
  ruleset: { type: "ownedByGroup", group: "co_zGroup" },
  meta: null,
  createdAt: "2026-12-01T00:00:00.000Z",
  uniqueness: "zUnique",
};

/** Bytes of an answer of which a longer one was lent before. */
const STALE = 40;

interface Form {
  readonly counter?: number;
  readonly flags?: number;
  readonly pieces?: number;
  readonly after?: number;
  readonly state?: number;
}

function lentOf(header: object, sessions: readonly Session[], form: Form = {}): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(0);
  writer.u8(1);
  writer.str32(JSON.stringify(header), "a header");
  writer.u32(sessions.length);
  for (const { id, transactions } of sessions) {
    writer.str16(id, "a session");
    writer.u32(form.counter ?? transactions.length);
    writer.u8(form.flags ?? 0);
    writer.u32(form.pieces ?? 1);
    writer.u32(form.after ?? 0);
    writer.u32(transactions.length);
    writer.u8(form.state ?? PIECE_HAS_CONTENT);
    writer.str16(`signature_z${id.length}`, "a signature");
    const at = writer.length;
    writer.u32(0);
    writeTransactions(writer, transactions);
    writer.patchU32(at, writer.length - at - 4);
  }
  writer.patchU32(0, writer.length - 4);
  writer.raw(new Uint8Array(STALE).fill(1));
  return writer.copy();
}

const string = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 20 }));
const madeAt = fc.oneof(fc.integer({ min: 0, max: 2 ** 42 }), fc.double());
const secret = (keyUsed: fc.Arbitrary<string>) =>
  fc.record({ encryptedChanges: string, keyUsed, madeAt, privacy: fc.constant("private") });
const transaction = fc.oneof(
  { arbitrary: secret(fc.constantFrom("key_z1", "key_z2")), weight: 8 },
  secret(fc.constant("key_zö")),
  fc.record({ changes: string, madeAt, privacy: fc.constant("trusting") }),
  fc.record({ changes: string, madeAt, meta: string, privacy: fc.constant("trusting") }),
  fc.record({ privacy: fc.constant("trusting"), madeAt, changes: string }),
  fc.record({ encryptedChanges: string, odd: string }),
) as fc.Arbitrary<unknown> as fc.Arbitrary<Transaction>;
const sessions = fc.uniqueArray(
  fc.record({
    id: fc.oneof(fc.constantFrom("co_z1_session_z1", "__proto__"), fc.string({ maxLength: 8 })),
    transactions: fc.array(transaction, { maxLength: 6 }),
  }),
  { selector: ({ id }) => id, maxLength: 3 },
);
const header = fc
  .record({
    type: fc.constantFrom("comap", "colist", "costream", "coplaintext"),
    group: fc.constantFrom("co_z1", "co_z2"),
    uniqueness: fc.constantFrom("z1", "z2"),
  })
  .map(({ type, group, uniqueness }) => ({
    ...COMMON,
    type,
    ruleset: { ...COMMON.ruleset, group },
    uniqueness,
  }));

describe("values that one message holds whole", () => {
  test.each([
    ["Buffer", text],
    ["the Encoding standard", webText],
  ])("what the short way reads with %s is what the long way does", (_, platform) => {
    let read = 0;
    fc.assert(
      fc.property(header, sessions, (header, sessions) => {
        const lent = lentOf(header, sessions);
        const whole = readWhole(lent, platform);
        const loaded = readLoaded(lentCopy(lent));
        const ascii = sessions.every(({ id }) => !/[^ -~]/.test(id));
        expect(whole !== undefined).toBe(ascii);
        if (!whole) return;
        read++;
        expect(whole.header).toEqual(loaded.header);
        expect(Object.keys(whole.header)).toEqual(Object.keys(loaded.header));
        expect(whole.group).toBe(header.ruleset.group);
        expect(whole.sessions).toEqual(sessions.map(({ id }) => id));
        expect(whole.contents).toEqual(loaded.sessions.map(({ pieces }) => pieces[0]?.read?.()));
        const fields = whole.contents.map(({ newTransactions }) =>
          newTransactions.map((one) => Object.keys(one)),
        );
        expect(fields).toEqual(
          sessions.map(({ transactions }) => transactions.map((one) => Object.keys(one))),
        );
      }),
    );
    expect(read).toBeGreaterThan(50);
  });

  const trusting = { changes: "[]", madeAt: 1, privacy: "trusting" } as Transaction;
  const one = [{ id: "co_z1_session_z1", transactions: [trusting, trusting] }];

  test.each([
    ["is a group", { ...COMMON, ruleset: { type: "group", initialAdmin: "co_z1" } }, {}],
    ["is a file", { ...COMMON, type: "costream", meta: { type: "binary" } }, {}],
    ["is of another group's kind", { ...COMMON, ruleset: { type: "unsafeAllowAll" } }, {}],
    ["was not created at a time", { ...COMMON, createdAt: undefined }, {}],
    ["has a character in its header that JSON escapes", { ...COMMON, uniqueness: '"' }, {}],
    ["has a header that is not ASCII", { ...COMMON, uniqueness: "ö" }, {}],
    ["has a chunk signature", COMMON, { flags: SESSION_HAS_CHUNK_SIGNATURE }],
    ["has two pieces", COMMON, { pieces: 2 }],
    ["has no piece", COMMON, { pieces: 0 }],
    ["has a piece that does not begin at 0", COMMON, { after: 1 }],
    ["has more transactions than the piece", COMMON, { counter: 3 }],
    ["has its content left out", COMMON, { state: PIECE_LEFT_OUT }],
  ] as const)("one that %s takes the long way", (_, header, form) => {
    expect(readWhole(lentOf(COMMON, one))?.sessions).toEqual(["co_z1_session_z1"]);
    expect(readWhole(lentOf(header, one, form))).toBeUndefined();
  });

  test("bytes that end early, or go on, are no value", () => {
    const secret = {
      encryptedChanges: "encrypted_U",
      keyUsed: "key_z1",
      madeAt: 1,
      privacy: "private",
    } as unknown as Transaction;
    const whole = lentOf(COMMON, [
      { id: "co_z1_session_z1", transactions: [secret, secret, trusting] },
      { id: "co_z1_session_z2", transactions: [trusting] },
    ]);
    const size = whole.length - STALE - 4;
    for (let length = 0; length <= size + STALE + 4; length++) {
      const bytes = Uint8Array.from(whole);
      new DataView(bytes.buffer).setUint32(0, length, true);
      // With older bytes behind them, and with nothing.
      for (const lent of [bytes, bytes.slice(0, Math.max(4 + length, 9))]) {
        if (length === size) expect(readWhole(lent)).toBeDefined();
        else expect(readWhole(lent)).toBeUndefined();
      }
    }
  });

  test("sizes that reach beyond the bytes are no value", () => {
    const bytes = lentOf(COMMON, one).slice(0, -STALE);
    const name = 9 + JSON.stringify(COMMON).length + 4;
    const signature = name + 2 + "co_z1_session_z1".length + 18;
    const changed = (change: (view: DataView) => void) => {
      const copy = Uint8Array.from(bytes);
      change(new DataView(copy.buffer));
      return readWhole(copy);
    };
    expect(changed((view) => view.setUint16(name, view.getUint16(name, true), true))).toBeDefined();
    expect(changed((view) => view.setUint8(4, 2))).toBeUndefined();
    for (const size of [0x100, 0x7fff, 0xffff]) {
      expect(changed((view) => view.setUint16(name, size, true))).toBeUndefined();
      expect(changed((view) => view.setUint16(signature, size, true))).toBeUndefined();
    }
    for (const size of [0x400, 0x7fffffff, 0xffffffff]) {
      expect(changed((view) => view.setUint32(5, size, true))).toBeUndefined();
      expect(changed((view) => view.setUint32(bytes.length - 34, size, true))).toBeUndefined();
    }
  });

  test("transactions that do not fill their bytes are an error", () => {
    const bytes = lentOf(COMMON, one);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const at = bytes.length - STALE - 4 - 2 * (1 + 8 + 4 + 2);
    expect(view.getUint32(at, true)).toBe(30);
    // The last one says that its text is longer, or shorter, than it is.
    for (const length of [0, 1, 3, 40, 0x7fffffff, 0xffffffff]) {
      view.setUint32(bytes.length - STALE - 2 - 4, length, true);
      expect(() => readWhole(bytes)).toThrow(/malformed/);
    }
    // There is one less than it says, or it has the key of one before it that is not there.
    const three = lentOf(COMMON, one, { counter: 3 });
    const counted = new DataView(three.buffer, three.byteOffset);
    counted.setUint32(9 + JSON.stringify(COMMON).length + 4 + 2 + "co_z1_session_z1".length + 13, 3, true);
    expect(() => readWhole(three)).toThrow(/malformed/);
    expect(() => readWhole(three.slice(0, -STALE))).toThrow(/malformed/);
    const keyless = lentOf(COMMON, one);
    keyless[keyless.length - STALE - 15] = TX_PRIVATE | TX_SAME_KEY;
    expect(() => readWhole(keyless)).toThrow(/malformed/);
  });
});
