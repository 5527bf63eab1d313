/** Ids, lists of them, counters and sync-state updates (section 3.5). */
import type { SyncStateUpdate } from "../cojson-internals.js";
import { STR16_MAX } from "../generated/definitions.js";
import { setOwn } from "../own.js";
import { ByteReader, LENT_HEAD, lentEnd, lentReader, malformed, nameAgain, u32At } from "./reader.js";
import { text } from "./text.js";
import type { ByteWriter } from "./writer.js";

export function writeIds(writer: ByteWriter, ids: readonly string[]): void {
  writer.u32(ids.length);
  for (const id of ids) writer.str16(id, "an id");
}

export function readIds(bytes: Uint8Array): string[] {
  const reader = new ByteReader(bytes);
  const ids: string[] = [];
  for (let left = reader.u32(); left > 0; left--) ids.push(reader.str16());
  reader.finish();
  return ids;
}

/** Gives `each` the stored counters by session id, in the order in which the sessions were first stored. */
export function readCounters(reader: ByteReader, each: (session: string, counter: number) => void): void {
  for (let left = reader.u32(); left > 0; left--) {
    const session = reader.name16();
    each(session, reader.u32());
  }
  reader.finish();
}

/**
 * The same of an answer that is lent, as an object. It does nearly all of it by itself, as known states are asked for while a
 * process begins, and each function that is called often is compiled then.
 */
export function readLentCounters(bytes: Uint8Array): Record<string, number> {
  const counters: Record<string, number> = {};
  const end = lentEnd(bytes);
  let at = LENT_HEAD + 4;
  for (let left = u32At(bytes, LENT_HEAD); left > 0; left--) {
    const head = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    const counter = at + 2 + head;
    if (head > STR16_MAX || counter + 4 > end) return readLentAnyCounters(bytes);
    setOwn(counters, nameAgain(text.ascii(bytes, at + 2, counter)), u32At(bytes, counter));
    at = counter + 4;
  }
  if (at !== end) throw malformed("bytes follow its end");
  return counters;
}

/** The same whatever the names, and whatever is missing. */
function readLentAnyCounters(bytes: Uint8Array): Record<string, number> {
  const counters: Record<string, number> = {};
  readCounters(lentReader(bytes), (session, counter) => setOwn(counters, session, counter));
  return counters;
}

export function writeSyncStateUpdates(writer: ByteWriter, updates: readonly SyncStateUpdate[]): void {
  writer.u32(updates.length);
  for (const { id, peerId, synced } of updates) {
    writer.str16(id, "an id");
    writer.str16(peerId, "a peer id");
    writer.u8(synced ? 1 : 0);
  }
}
