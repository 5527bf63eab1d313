/** What is stored of a CoValue, for who wants to look at it rather than to use it. */
import { type LoadedCoValue, readLoaded } from "./codec/loaded.js";
import { ByteReader } from "./codec/reader.js";
import { ByteWriter } from "./codec/writer.js";
import type { CoValueHeader } from "./cojson-internals.js";
import type { NativeStorage } from "./generated/native.js";

export interface SessionReport {
  readonly id: string;
  /** Transactions stored. */
  readonly transactions: number;
  /** Their bytes, as they are loaded. */
  readonly bytes: number;
  readonly lastSignature: string | undefined;
}

export interface CoValueReport {
  readonly id: string;
  readonly header: CoValueHeader;
  readonly sessions: readonly SessionReport[];
  /** Bytes of the header and all transactions, as they are loaded. */
  readonly bytes: number;
  /** Whether it was deleted: `pending` until its content is erased. */
  readonly deletion: "none" | "pending" | "erased";
}

/** What this needs of the engine. */
type Reads = Pick<NativeStorage, "loadAsync" | "loadPieceAsync">;

/** Sessions of this form hold the deletion. */
const DELETE_SESSION_END = "$";

export async function inspect(
  native: Reads,
  id: string,
  isPending: (id: string) => Promise<boolean>,
): Promise<CoValueReport | undefined> {
  const idBytes = bytesOf(id);
  const loaded = await native.loadAsync(idBytes, 0);
  if (!loaded) return undefined;
  const value = readLoaded(loaded);
  const sessions: SessionReport[] = [];
  for (const session of value.sessions) sessions.push(await sessionReport(native, idBytes, session));
  const headerBytes = new TextEncoder().encode(JSON.stringify(value.header)).length;
  const bytes = sessions.reduce((sum, session) => sum + session.bytes, headerBytes);
  const isDeleted = sessions.some((session) => session.id.endsWith(DELETE_SESSION_END));
  const isErased = sessions.every((session) => session.id.endsWith(DELETE_SESSION_END));
  const deletion = !isDeleted ? "none" : isErased && !(await isPending(id)) ? "erased" : "pending";
  return { id, header: value.header, sessions, bytes, deletion };
}

function bytesOf(id: string): Uint8Array {
  const writer = new ByteWriter();
  writer.bare(id);
  return writer.copy();
}

async function sessionReport(
  native: Reads,
  value: Uint8Array,
  { id, counter, pieces }: LoadedCoValue["sessions"][number],
): Promise<SessionReport> {
  const session = bytesOf(id);
  let bytes = 0;
  let lastSignature: string | undefined;
  for (const { after, count, read, size, signature } of pieces) {
    if (read) {
      bytes += size;
      lastSignature = signature;
      continue;
    }
    const piece = await native.loadPieceAsync(value, session, after, count);
    // Erased meanwhile.
    if (!piece) break;
    const reader = new ByteReader(piece);
    reader.u32();
    lastSignature = reader.str16();
    bytes += reader.u32();
  }
  return { id, transactions: counter, bytes, lastSignature };
}
