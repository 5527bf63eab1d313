/**
 * Transactions (design document, section 2.2). The shapes cojson makes have compact forms, which bring their fields back
 * in the same order; whatever is not exactly one of them is kept as its JSON text.
 */
import type { Transaction } from "../cojson-internals.js";
import { NativeStorageError } from "../errors.js";
import { type ByteReader, malformed } from "./reader.js";
import type { ByteWriter } from "./writer.js";

const VERBATIM = 0;
const PRIVATE = 1;
const TRUSTING = 2;
const PRIVATE_FIRST = 3;
const TRUSTING_FIRST = 4;
const SHAPE_BITS = 0x0f;
const WITH_META = 0x10;
const SAME_KEY = 0x20;

const U32_LIMIT = 0xffffffff;
/** Keys of more units may not fit a `str16`; such a transaction is kept verbatim. */
const KEY_UNITS = 0x7fff / 3;

/** The fields of the compact shapes; which of them are there is told by the shape. */
interface Fields {
  readonly encryptedChanges: string;
  readonly keyUsed: string;
  readonly changes: string;
  readonly madeAt: number;
  readonly meta: string | undefined;
}

/** Writes a piece: transactions of one session that follow each other. */
export function writeTransactions(writer: ByteWriter, transactions: readonly Transaction[]): void {
  let key: string | undefined;
  for (const transaction of transactions) {
    const kind = kindOf(transaction);
    const fields = transaction as unknown as Fields;
    switch (kind & SHAPE_BITS) {
      case PRIVATE:
      case PRIVATE_FIRST: {
        const sameKey = fields.keyUsed === key;
        writer.u8(sameKey ? kind | SAME_KEY : kind);
        writer.f64(fields.madeAt);
        if (!sameKey) {
          key = fields.keyUsed;
          writer.str16(key, "keyUsed");
        }
        writer.str32(fields.encryptedChanges, "encryptedChanges");
        break;
      }
      case TRUSTING:
      case TRUSTING_FIRST:
        writer.u8(kind);
        writer.f64(fields.madeAt);
        writer.str32(fields.changes, "changes");
        break;
      default:
        writeVerbatim(writer, transaction);
        continue;
    }
    if (kind & WITH_META) writer.str32(fields.meta as string, "meta");
  }
}

function writeVerbatim(writer: ByteWriter, transaction: unknown): void {
  const json = toJson(transaction, "a transaction");
  writer.u8(VERBATIM);
  writer.u32(changesSize(transaction as Transaction));
  writer.str32(json, "a transaction");
}

/** The length by which chunks are cut, counted as cojson counts it; what has none there counts nothing. */
function changesSize(transaction: Transaction): number {
  const changes: unknown =
    transaction.privacy === "private" ? transaction.encryptedChanges : transaction.changes;
  return typeof changes === "string" ? Math.min(changes.length, U32_LIMIT) : 0;
}

/** Throws `MALFORMED` for what has no JSON text; `what` names it in the error. */
export function toJson(value: unknown, what: string): string {
  if (typeof value !== "object" || value === null) {
    throw new NativeStorageError(
      "MALFORMED",
      `malformed message: ${what} is not an object; nothing was stored`,
    );
  }
  let json: string | undefined;
  let cause: unknown;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (json === undefined) {
    throw new NativeStorageError(
      "MALFORMED",
      `malformed message: ${what} has no JSON form; nothing was stored`,
      { cause },
    );
  }
  return json;
}

/** The shape and flags of a transaction: `VERBATIM` unless its fields are exactly a shape's, in its order. */
function kindOf(transaction: unknown): number {
  if (typeof transaction !== "object" || transaction === null) return VERBATIM;
  const fields = transaction as Fields & { privacy: unknown };
  let shape = VERBATIM;
  let meta = 0;
  let place = 0;
  for (const name in fields) {
    switch (name) {
      case "encryptedChanges":
        if (place === 0) shape = PRIVATE;
        else if (place !== 3 || shape !== PRIVATE_FIRST) return VERBATIM;
        if (typeof fields.encryptedChanges !== "string") return VERBATIM;
        break;
      case "keyUsed":
        if (!(place === 1 && shape === PRIVATE) && !(place === 2 && shape === PRIVATE_FIRST)) return VERBATIM;
        if (typeof fields.keyUsed !== "string" || fields.keyUsed.length > KEY_UNITS) return VERBATIM;
        break;
      case "changes":
        if (place === 0) shape = TRUSTING;
        else if (place !== 2 || shape !== TRUSTING_FIRST) return VERBATIM;
        if (typeof fields.changes !== "string") return VERBATIM;
        break;
      case "madeAt":
        if (place !== (shape === PRIVATE ? 2 : 1)) return VERBATIM;
        if (typeof fields.madeAt !== "number") return VERBATIM;
        break;
      case "meta":
        if (place !== (shape === PRIVATE ? 3 : shape === TRUSTING ? 2 : shape === PRIVATE_FIRST ? 4 : 3))
          return VERBATIM;
        // As in JSON, a field without a value is no field.
        if (fields.meta === undefined) continue;
        if (typeof fields.meta !== "string") return VERBATIM;
        meta = WITH_META;
        break;
      case "privacy":
        if (place === 0) {
          if (fields.privacy === "private") shape = PRIVATE_FIRST;
          else if (fields.privacy === "trusting") shape = TRUSTING_FIRST;
          else return VERBATIM;
        } else if (shape === PRIVATE) {
          if (fields.privacy !== "private" || place !== (meta ? 4 : 3)) return VERBATIM;
        } else if (shape === TRUSTING) {
          if (fields.privacy !== "trusting" || place !== (meta ? 3 : 2)) return VERBATIM;
        } else {
          return VERBATIM;
        }
        break;
      default:
        return VERBATIM;
    }
    place++;
  }
  const fieldsOfShape = shape === PRIVATE || shape === PRIVATE_FIRST ? 4 : 3;
  return place === fieldsOfShape + (meta ? 1 : 0) ? shape | meta : VERBATIM;
}

/** Reads `count` transactions, which fill the next `size` bytes. */
export function readTransactions(reader: ByteReader, size: number, count: number): Transaction[] {
  const end = reader.at + size;
  const transactions: unknown[] = [];
  let key: string | undefined;
  let keyAt = 0;
  for (let i = 0; i < count; i++) {
    const kind = reader.u8();
    const shape = kind & SHAPE_BITS;
    if (shape === VERBATIM) {
      reader.u32();
      transactions.push(JSON.parse(reader.str32()));
      continue;
    }
    const madeAt = reader.f64();
    const isPrivate = shape === PRIVATE || shape === PRIVATE_FIRST;
    if (isPrivate && !(kind & SAME_KEY)) {
      const at = reader.at;
      key = reader.str16Again(key, keyAt);
      keyAt = at;
    }
    const changes = reader.str32();
    const meta = kind & WITH_META ? reader.str32() : undefined;
    transactions.push(
      isPrivate ? privateOf(shape, madeAt, key, changes, meta) : trustingOf(shape, madeAt, changes, meta),
    );
  }
  if (reader.at !== end) throw malformed("transactions do not fill their bytes");
  return transactions as Transaction[];
}

function privateOf(
  shape: number,
  madeAt: number,
  keyUsed: string | undefined,
  encryptedChanges: string,
  meta: string | undefined,
): object {
  if (keyUsed === undefined) throw malformed("a transaction has no key");
  if (shape === PRIVATE) {
    return meta === undefined
      ? { encryptedChanges, keyUsed, madeAt, privacy: "private" }
      : { encryptedChanges, keyUsed, madeAt, meta, privacy: "private" };
  }
  return meta === undefined
    ? { privacy: "private", madeAt, keyUsed, encryptedChanges }
    : { privacy: "private", madeAt, keyUsed, encryptedChanges, meta };
}

function trustingOf(shape: number, madeAt: number, changes: string, meta: string | undefined): object {
  if (shape === TRUSTING) {
    return meta === undefined
      ? { changes, madeAt, privacy: "trusting" }
      : { changes, madeAt, meta, privacy: "trusting" };
  }
  if (shape !== TRUSTING_FIRST) throw malformed(`a transaction has the unknown shape ${shape}`);
  return meta === undefined
    ? { privacy: "trusting", madeAt, changes }
    : { privacy: "trusting", madeAt, changes, meta };
}
