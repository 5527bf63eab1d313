/**
 * Transactions (design document, section 2.2). The shapes cojson makes have compact forms, which bring their fields back
 * in the same order; whatever is not exactly one of them is kept as its JSON text.
 */
import type { Transaction } from "../cojson-internals.js";
import { NativeStorageError } from "../errors.js";
import {
  STR16_MAX,
  TX_HAS_META,
  TX_PRIVATE,
  TX_PRIVATE_FIRST,
  TX_SAME_KEY,
  TX_SHAPE_MASK,
  TX_TRUSTING,
  TX_TRUSTING_FIRST,
  TX_VERBATIM,
} from "../generated/definitions.js";
import { type ByteReader, malformed } from "./reader.js";
import type { ByteWriter } from "./writer.js";

const U32_LIMIT = 0xffffffff;
/** Keys of more units may not fit a `str16`; such a transaction is kept verbatim. */
const KEY_UNITS = STR16_MAX / 3;

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
    switch (kind & TX_SHAPE_MASK) {
      case TX_PRIVATE:
      case TX_PRIVATE_FIRST: {
        const sameKey = fields.keyUsed === key;
        writer.u8(sameKey ? kind | TX_SAME_KEY : kind);
        writer.f64(fields.madeAt);
        if (!sameKey) {
          key = fields.keyUsed;
          writer.str16(key, "keyUsed");
        }
        writer.str32(fields.encryptedChanges, "encryptedChanges");
        break;
      }
      case TX_TRUSTING:
      case TX_TRUSTING_FIRST:
        writer.u8(kind);
        writer.f64(fields.madeAt);
        writer.str32(fields.changes, "changes");
        break;
      default:
        writeVerbatim(writer, transaction);
        continue;
    }
    if (kind & TX_HAS_META) writer.str32(fields.meta as string, "meta");
  }
}

function writeVerbatim(writer: ByteWriter, transaction: unknown): void {
  const json = toJson(transaction, "a transaction");
  writer.u8(TX_VERBATIM);
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

/** The shape and flags of a transaction: `TX_VERBATIM` unless its fields are exactly a shape's, in its order. */
function kindOf(transaction: unknown): number {
  if (typeof transaction !== "object" || transaction === null) return TX_VERBATIM;
  const fields = transaction as Fields & { privacy: unknown };
  let shape = TX_VERBATIM;
  let meta = 0;
  let place = 0;
  for (const name in fields) {
    switch (name) {
      case "encryptedChanges":
        if (place === 0) shape = TX_PRIVATE;
        else if (place !== 3 || shape !== TX_PRIVATE_FIRST) return TX_VERBATIM;
        if (typeof fields.encryptedChanges !== "string") return TX_VERBATIM;
        break;
      case "keyUsed":
        if (!(place === 1 && shape === TX_PRIVATE) && !(place === 2 && shape === TX_PRIVATE_FIRST))
          return TX_VERBATIM;
        if (typeof fields.keyUsed !== "string" || fields.keyUsed.length > KEY_UNITS) return TX_VERBATIM;
        break;
      case "changes":
        if (place === 0) shape = TX_TRUSTING;
        else if (place !== 2 || shape !== TX_TRUSTING_FIRST) return TX_VERBATIM;
        if (typeof fields.changes !== "string") return TX_VERBATIM;
        break;
      case "madeAt":
        if (place !== (shape === TX_PRIVATE ? 2 : 1)) return TX_VERBATIM;
        if (typeof fields.madeAt !== "number") return TX_VERBATIM;
        break;
      case "meta":
        if (
          place !==
          (shape === TX_PRIVATE ? 3 : shape === TX_TRUSTING ? 2 : shape === TX_PRIVATE_FIRST ? 4 : 3)
        )
          return TX_VERBATIM;
        // As in JSON, a field without a value is no field.
        if (fields.meta === undefined) continue;
        if (typeof fields.meta !== "string") return TX_VERBATIM;
        meta = TX_HAS_META;
        break;
      case "privacy":
        if (place === 0) {
          if (fields.privacy === "private") shape = TX_PRIVATE_FIRST;
          else if (fields.privacy === "trusting") shape = TX_TRUSTING_FIRST;
          else return TX_VERBATIM;
        } else if (shape === TX_PRIVATE) {
          if (fields.privacy !== "private" || place !== (meta ? 4 : 3)) return TX_VERBATIM;
        } else if (shape === TX_TRUSTING) {
          if (fields.privacy !== "trusting" || place !== (meta ? 3 : 2)) return TX_VERBATIM;
        } else {
          return TX_VERBATIM;
        }
        break;
      default:
        return TX_VERBATIM;
    }
    place++;
  }
  const fieldsOfShape = shape === TX_PRIVATE || shape === TX_PRIVATE_FIRST ? 4 : 3;
  return place === fieldsOfShape + (meta ? 1 : 0) ? shape | meta : TX_VERBATIM;
}

/** Reads `count` transactions, which fill the next `size` bytes. */
export function readTransactions(reader: ByteReader, size: number, count: number): Transaction[] {
  const end = reader.at + size;
  const transactions: unknown[] = [];
  let key: string | undefined;
  let keyAt = 0;
  for (let i = 0; i < count; i++) {
    const kind = reader.u8();
    const shape = kind & TX_SHAPE_MASK;
    if (shape === TX_VERBATIM) {
      reader.u32();
      transactions.push(JSON.parse(reader.str32()));
      continue;
    }
    const madeAt = reader.f64();
    const isPrivate = shape === TX_PRIVATE || shape === TX_PRIVATE_FIRST;
    if (isPrivate && !(kind & TX_SAME_KEY)) {
      const at = reader.at;
      key = reader.str16Again(key, keyAt);
      keyAt = at;
    }
    const changes = reader.str32();
    const meta = kind & TX_HAS_META ? reader.str32() : undefined;
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
  if (shape === TX_PRIVATE) {
    return meta === undefined
      ? { encryptedChanges, keyUsed, madeAt, privacy: "private" }
      : { encryptedChanges, keyUsed, madeAt, meta, privacy: "private" };
  }
  return meta === undefined
    ? { privacy: "private", madeAt, keyUsed, encryptedChanges }
    : { privacy: "private", madeAt, keyUsed, encryptedChanges, meta };
}

function trustingOf(shape: number, madeAt: number, changes: string, meta: string | undefined): object {
  if (shape === TX_TRUSTING) {
    return meta === undefined
      ? { changes, madeAt, privacy: "trusting" }
      : { changes, madeAt, meta, privacy: "trusting" };
  }
  if (shape !== TX_TRUSTING_FIRST) throw malformed(`a transaction has the unknown shape ${shape}`);
  return meta === undefined
    ? { privacy: "trusting", madeAt, changes }
    : { privacy: "trusting", madeAt, changes, meta };
}
