/** Content messages on their way to the engine, alone and in batches, and what it says of them (sections 3.1 to 3.3). */
import type { ContentMessage, SessionContent } from "../cojson-internals.js";
import { NativeStorageError } from "../errors.js";
import {
  FORM_VERSION,
  MESSAGE_DELETE_IS_VALID,
  MESSAGE_HAS_HEADER,
  OUTCOME_HEADER_MISSING,
  OUTCOME_STORED,
} from "../generated/definitions.js";
import type { Nothing } from "../generated/native.js";
import { ByteReader } from "./reader.js";
import { toJson, writeTransactions } from "./transactions.js";
import type { ByteWriter } from "./writer.js";

const U32_LIMIT = 0xffffffff;

/** What of a message is not in the message itself. */
export interface StoreContext {
  /** Whether a delete of this CoValue is valid (rule D-2). */
  readonly deleteIsValid: boolean;
  /** UTF-16 units of changes after which a chunk signature is kept (rule W-6), as configured now. */
  readonly chunkThreshold: number;
}

/** Writes `message`. Throws `MALFORMED` or `TOO_LARGE` for what the engine cannot be asked to store. */
export function writeMessage(writer: ByteWriter, message: ContentMessage, context: StoreContext): void {
  const header = message.header;
  writer.u8(FORM_VERSION);
  writer.u8((header ? MESSAGE_HAS_HEADER : 0) | (context.deleteIsValid ? MESSAGE_DELETE_IS_VALID : 0));
  writer.f64(context.chunkThreshold);
  writer.str16(string(message.id, "the id"), "an id");
  if (header) writer.str32(toJson(header, "the header"), "a header");
  const countAt = writer.length;
  writer.u32(0);
  let count = 0;
  const contents: Record<string, SessionContent> = message.new;
  for (const session of Object.keys(contents)) {
    writer.str16(session, "a session id");
    writeSession(writer, contents[session] as SessionContent, session);
    count++;
  }
  writer.patchU32(countAt, count);
}

function writeSession(writer: ByteWriter, content: SessionContent, session: string): void {
  const { after, lastSignature, newTransactions } = content;
  if (!Number.isInteger(after) || after < 0 || after > U32_LIMIT) {
    throw malformedMessage(`after of session ${session} is ${after}`);
  }
  if (!Array.isArray(newTransactions)) throw malformedMessage(`session ${session} has no transactions`);
  writer.u32(after);
  writer.str16(string(lastSignature, "a signature"), "a signature");
  writer.u32(newTransactions.length);
  const sizeAt = writer.length;
  writer.u32(0);
  writeTransactions(writer, newTransactions);
  writer.patchU32(sizeAt, writer.length - sizeAt - 4);
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string") throw malformedMessage(`${what} is not a string`);
  return value;
}

function malformedMessage(detail: string): NativeStorageError {
  return new NativeStorageError("MALFORMED", `malformed message: ${detail}; nothing was stored`);
}

/**
 * What became of a message. `counters` are the stored counters of its sessions now, in its order; `undefined` if each
 * stands exactly at the end of the message's content.
 */
export type StoreOutcome =
  | { readonly status: "stored" | "gap"; readonly counters: readonly number[] | undefined }
  | { readonly status: "header-missing" };

export const EXACTLY_STORED: StoreOutcome = { status: "stored", counters: undefined };

export function readOutcome(bytes: Uint8Array | Nothing): StoreOutcome {
  if (!bytes || bytes.length === 0) return EXACTLY_STORED;
  const reader = new ByteReader(bytes);
  const status = reader.u8();
  if (status === OUTCOME_HEADER_MISSING) {
    reader.finish();
    return { status: "header-missing" };
  }
  const counters: number[] = [];
  for (let left = reader.u32(); left > 0; left--) counters.push(reader.u32());
  reader.finish();
  return { status: status === OUTCOME_STORED ? "stored" : "gap", counters };
}

/** The outcomes of the messages the engine handled: all, or up to the first that was not stored whole. */
export function readBatchOutcomes(bytes: Uint8Array): StoreOutcome[] {
  const reader = new ByteReader(bytes);
  const outcomes: StoreOutcome[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const size = reader.u32();
    const at = reader.take(size);
    outcomes.push(size === 0 ? EXACTLY_STORED : readOutcome(bytes.subarray(at, at + size)));
  }
  reader.finish();
  return outcomes;
}
