/** Ids, lists of them, counters and sync-state updates (section 3.5). */
import type { RawCoID } from "cojson";
import type { KnownState, SyncStateUpdate } from "../cojson-internals.js";
import { STR16_MAX } from "../generated/definitions.js";
import { setOwn } from "../own.js";
import { ByteReader, LENT_HEAD, lately, lentView, malformed, placeOfName } from "./reader.js";
import { readWtf8, text } from "./text.js";
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

/** The known state that an answer holds which is lent. All in one function, for the same reason as `readWhole` is. */
export function readLentKnownState(id: RawCoID, bytes: Uint8Array): KnownState {
  const view = lentView(bytes);
  const end = LENT_HEAD + view.getUint32(0, true);
  const sessions: Record<string, number> = {};
  let left = view.getUint32(LENT_HEAD, true);
  let at = LENT_HEAD + 4;
  for (; left > 0; left--) {
    if (at + 6 > end || end > bytes.length)
      throw malformed(`it ends early: ${left} counters are to come at ${at} of ${end} bytes`);
    const head = view.getUint16(at, true);
    const start = at + 2;
    at = start + (head & STR16_MAX);
    if (at + 4 > end) throw malformed(`it ends early: a name ends at ${at} of ${end} bytes`);
    const name = head > STR16_MAX ? readWtf8(text, bytes, start, at) : text.ascii(bytes, start, at);
    const { length } = name;
    const place = placeOfName(name.charCodeAt(length - 1), name.charCodeAt(length - 2), length);
    const known = lately[place] as string;
    const session = known === name ? known : name;
    // A branch that is not taken before it is compiled would have all of it compiled again.
    lately[place] = session;
    const counter = view.getUint32(at, true);
    if (session === "__proto__") setOwn(sessions, session, counter);
    else sessions[session] = counter;
    at += 4;
  }
  if (at !== end) throw malformed(`bytes follow its end: it ends at ${at} of ${end} bytes`);
  return { id, header: true, sessions };
}

export function writeSyncStateUpdates(writer: ByteWriter, updates: readonly SyncStateUpdate[]): void {
  writer.u32(updates.length);
  for (const { id, peerId, synced } of updates) {
    writer.str16(id, "an id");
    writer.str16(peerId, "a peer id");
    writer.u8(synced ? 1 : 0);
  }
}
