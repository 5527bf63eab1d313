/**
 * Loaded CoValues that one message holds whole, as nearly all are, from an answer that is lent. A process that begins loads
 * everything, and while it does V8 compiles what is called often, once more in each of its callers where it is small: that
 * took a quarter of the time of loading small CoValues. So this is one function, too large to be compiled into another (more
 * than 460 bytes of V8's bytecode), with nothing in it for what is rare.
 */
import type { CoValueHeader, SessionContent, Transaction } from "../cojson-internals.js";
import {
  FORM_VERSION,
  PIECE_LEFT_OUT,
  SESSION_HAS_CHUNK_SIGNATURE,
  STR16_MAX,
  STR32_MAX,
  TX_PRIVATE,
  TX_SAME_KEY,
  TX_TRUSTING,
} from "../generated/definitions.js";
import { contentOf } from "./loaded.js";
import { ByteReader, LENT_HEAD, lentView, nameAgain } from "./reader.js";
import { readWtf8, type TextPlatform, text } from "./text.js";
import { readTransactions } from "./transactions.js";

/**
 * A value of which each session is one piece that is there, so that one message holds it whole, and that belongs to a group.
 */
export interface WholeCoValue {
  readonly header: CoValueHeader;
  /** The group that owns it: nothing else of its header tells what it depends on or how urgent it is. */
  readonly group: string;
  /** Ids of the sessions, in the order in which they were first stored. */
  readonly sessions: readonly string[];
  /** The content of each. */
  readonly contents: readonly SessionContent[];
}

/** Bytes from a session's name to its piece's signature. */
const HEADS = 4 + 1 + 4 + 4 + 4 + 1;

/**
 * Reads a value in one pass; `undefined` if a session of it is cut into pieces, or is anything else that is not met every
 * day, bytes that end early among it. Then `readLoaded` is to be asked. What is read is known to lie within the answer only
 * at the end: what lies behind that is of an earlier one, and does no harm.
 */
export function readWhole(lent: Uint8Array, platform: TextPlatform = text): WholeCoValue | undefined {
  const view = lentView(lent);
  const end = LENT_HEAD + view.getUint32(0, true);
  let size = view.getUint32(LENT_HEAD + 1, true);
  let at = LENT_HEAD + 5;
  // That of text which is not ASCII is larger than any answer.
  if (lent[LENT_HEAD] !== FORM_VERSION || at + size + 4 > end || end > lent.length) return undefined;
  const json = platform.ascii(lent, at, at + size);
  at += size;
  const parts = COMMON_HEADER.exec(json);
  if (!parts) return undefined;
  const sessions: string[] = [];
  const contents: SessionContent[] = [];
  /** A unit for each byte, at the same place: strings that are cut from one cost less to make, and live about as long. */
  let units: string | undefined;
  let left = view.getUint32(at, true);
  at += 4;
  for (; left > 0; left--) {
    if (at + 2 > end) return undefined;
    size = view.getUint16(at, true);
    at += 2;
    if (size > STR16_MAX || at + size + HEADS + 2 > end) return undefined;
    sessions.push(nameAgain(platform.ascii(lent, at, at + size)));
    at += size;
    const count = view.getUint32(at, true);
    if (
      ((lent[at + 4] as number) & SESSION_HAS_CHUNK_SIGNATURE) !== 0 ||
      view.getUint32(at + 5, true) !== 1 ||
      view.getUint32(at + 9, true) !== 0 ||
      view.getUint32(at + 13, true) !== count ||
      lent[at + 17] === PIECE_LEFT_OUT
    )
      return undefined;
    at += HEADS;
    // Not before, as it is in vain for a value that is cut into pieces, which are large.
    if (platform.asciiIsLatin1) units ??= platform.ascii(lent, 0, end);
    size = view.getUint16(at, true);
    at += 2;
    if (size > STR16_MAX || at + size + 4 > end) return undefined;
    const signature = cut(platform, lent, units, at, at + size);
    at += size;
    const txsEnd = at + 4 + view.getUint32(at, true);
    at += 4;
    if (txsEnd > end) return undefined;
    const start = at;
    const transactions: Transaction[] = [];
    let keyUsed: string | undefined;
    for (let i = 0; i < count; i++) {
      const kind = lent[at] as number;
      const isPrivate = (kind & ~TX_SAME_KEY) === TX_PRIVATE;
      if ((!isPrivate && kind !== TX_TRUSTING) || at + 13 > txsEnd) break;
      const madeAt = view.getFloat64(at + 1, true);
      at += 9;
      if (kind === TX_PRIVATE) {
        size = view.getUint16(at, true);
        at += 2;
        if (size > STR16_MAX || at + size + 4 > txsEnd) break;
        const key = cut(platform, lent, units, at, at + size);
        if (keyUsed !== key) keyUsed = key;
        at += size;
      }
      const head = view.getUint32(at, true);
      size = head & STR32_MAX;
      at += 4;
      if (at + size > txsEnd) break;
      const changes =
        head > STR32_MAX
          ? readWtf8(platform, lent, at, at + size)
          : cut(platform, lent, units, at, at + size);
      at += size;
      if (!isPrivate) transactions.push({ changes, madeAt, privacy: "trusting" } as Transaction);
      else if (keyUsed === undefined) break;
      else
        transactions.push({ encryptedChanges: changes, keyUsed, madeAt, privacy: "private" } as Transaction);
    }
    const all =
      transactions.length === count && at === txsEnd
        ? transactions
        : readTransactions(new ByteReader(lent, start, txsEnd, platform).sharing(), txsEnd - start, count);
    contents.push(contentOf(0, all, signature));
    at = txsEnd;
  }
  if (at !== end) return undefined;
  return { header: commonHeader(parts), group: parts[2] as string, sessions, contents };
}

/** ASCII text of an answer, cut from `units` where they are there. */
function cut(
  platform: TextPlatform,
  lent: Uint8Array,
  units: string | undefined,
  from: number,
  to: number,
): string {
  return units === undefined ? platform.ascii(lent, from, to) : units.substring(from, to);
}

/**
 * The header of nearly every CoValue: of a group, and without meta, so that it is no file either. Its strings stand there as
 * they are, as none has a character that JSON would escape. To read it by its parts takes a third of the time.
 */
const COMMON_HEADER =
  /^\{"type":"(comap|colist|costream|coplaintext)","ruleset":\{"type":"ownedByGroup","group":"([^"\\]+)"\},"meta":null,"createdAt":"([^"\\]+)","uniqueness":"([^"\\]+)"\}$/;

function commonHeader([, type, group, createdAt, uniqueness]: RegExpExecArray): CoValueHeader {
  return {
    type,
    ruleset: { type: "ownedByGroup", group },
    meta: null,
    createdAt,
    uniqueness,
  } as CoValueHeader;
}
