/** Ids, lists of them, counters and sync-state updates (section 3.5). */
import type { SyncStateUpdate } from "../cojson-internals.js";
import { ByteReader } from "./reader.js";
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

export function writeSyncStateUpdates(writer: ByteWriter, updates: readonly SyncStateUpdate[]): void {
  writer.u32(updates.length);
  for (const { id, peerId, synced } of updates) {
    writer.str16(id, "an id");
    writer.str16(peerId, "a peer id");
    writer.u8(synced ? 1 : 0);
  }
}
