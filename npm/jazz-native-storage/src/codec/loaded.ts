/** Loaded CoValues on their way from the engine (section 3.4). Transactions are decoded only when they are asked for. */
import type { CoValueHeader, SessionContent, Signature, Transaction } from "../cojson-internals.js";
import { FORM_VERSION, PIECE_LEFT_OUT, SESSION_HAS_CHUNK_SIGNATURE } from "../generated/definitions.js";
import { ByteReader, malformed } from "./reader.js";
import { readTransactions } from "./transactions.js";

/** A run of transactions of a session, ending where a signature is kept. */
export interface Piece {
  readonly after: number;
  readonly count: number;
  /** Reads the piece; `undefined` if it was beyond the call's byte budget and has to be read by itself. */
  readonly read: (() => SessionContent) | undefined;
  /** Bytes of its transactions, 0 if left out. */
  readonly size: number;
  /** The signature at its end; `undefined` if it was left out. */
  readonly signature: string | undefined;
}

export interface LoadedSession {
  readonly id: string;
  /** Transactions stored. */
  readonly counter: number;
  readonly hasChunkSignature: boolean;
  readonly pieces: readonly Piece[];
}

export interface LoadedCoValue {
  readonly header: CoValueHeader;
  /** In the order in which they were first stored. */
  readonly sessions: readonly LoadedSession[];
}

export function readLoaded(bytes: Uint8Array): LoadedCoValue {
  const reader = new ByteReader(bytes);
  const value = readCoValue(reader);
  reader.finish();
  return value;
}

/** The answers of `loadMany`, in the order of the ids; `undefined` for one that is not stored. */
export function readLoadedMany(bytes: Uint8Array): (LoadedCoValue | undefined)[] {
  const reader = new ByteReader(bytes);
  const values: (LoadedCoValue | undefined)[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const size = reader.u32();
    const end = reader.at + size;
    values.push(size === 0 ? undefined : readCoValue(reader));
    if (reader.at !== end) throw malformed("a value does not fill its bytes");
  }
  reader.finish();
  return values;
}

/** The answer of `loadPiece`: at least what was asked for, and on to the next signature. */
export function readPiece(reader: ByteReader, after: number): SessionContent {
  reader.sharing();
  const count = reader.u32();
  const signature = reader.str16();
  const size = reader.u32();
  const content = contentOf(after, readTransactions(reader, size, count), signature);
  reader.finish();
  return content;
}

/** The header as JSON text, which is what a loaded value begins with. */
function readHeaderText(reader: ByteReader): string {
  const version = reader.u8();
  if (version !== FORM_VERSION) throw malformed(`it has the unknown version ${version}`);
  return reader.str32();
}

function readCoValue(reader: ByteReader): LoadedCoValue {
  const header = JSON.parse(readHeaderText(reader)) as CoValueHeader;
  const sessions: LoadedSession[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const id = reader.name16();
    const counter = reader.u32();
    const hasChunkSignature = (reader.u8() & SESSION_HAS_CHUNK_SIGNATURE) !== 0;
    const pieces: Piece[] = [];
    for (let piecesLeft = reader.u32(); piecesLeft > 0; piecesLeft--) pieces.push(readPieceHead(reader));
    sessions.push({ id, counter, hasChunkSignature, pieces });
  }
  return { header, sessions };
}

function readPieceHead(reader: ByteReader): Piece {
  const after = reader.u32();
  const count = reader.u32();
  if (reader.u8() === PIECE_LEFT_OUT) return { after, count, read: undefined, size: 0, signature: undefined };
  const signature = reader.str16();
  const size = reader.u32();
  const start = reader.take(size);
  const { bytes } = reader;
  const read = () => {
    const transactions = readTransactions(new ByteReader(bytes, start, start + size).sharing(), size, count);
    return contentOf(after, transactions, signature);
  };
  return { after, count, read, size, signature };
}

export function contentOf(after: number, newTransactions: Transaction[], signature: string): SessionContent {
  return { after, newTransactions, lastSignature: signature as Signature };
}
