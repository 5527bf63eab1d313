/** Everything that can be read of a CoValue, as plain JSON, and the comparison of two such descriptions. */
import { createHash } from "node:crypto";
import { RawBinaryCoStream, RawCoList, RawCoMap, RawCoStream, RawGroup } from "cojson";

/**
 * @typedef {import("cojson").RawCoValue} RawCoValue
 * @typedef {import("cojson").JsonValue} JsonValue
 * @typedef {NonNullable<ReturnType<import("cojson").LocalNode["getLoaded"]>>["core"]} Core of a CoValue that is available
 *
 * @typedef {object} Description
 * @property {string} id
 * @property {string} kind
 * @property {number} transactions
 * @property {JsonValue} sessions
 * @property {JsonValue} content
 */

/**
 * @param {Core} core
 * @returns {Description}
 */
export function describe(core) {
  const content = core.getCurrentContent();
  if (core.isDeleted) {
    return { id: core.id, kind: "deleted CoValue", transactions: 0, sessions: null, content: null };
  }
  const { sessions, transactions } = describeSessions(core);
  return plain({
    id: core.id,
    kind: kindOf(content),
    transactions,
    sessions,
    content: describeContent(content),
  });
}

/** @param {RawCoValue} content */
function kindOf(content) {
  if (content.core.verified.header.meta?.type === "account") return "account";
  if (content instanceof RawGroup) return "group";
  if (content instanceof RawBinaryCoStream) return "binary stream";
  return { comap: "map", colist: "list", costream: "stream", coplaintext: "text" }[content.type];
}

/**
 * The signed transactions as they are, ciphertext included: header and, of each session, count, signature and digest.
 *
 * @param {Core} core
 */
function describeSessions(core) {
  /** @type {Map<string, { count: number, signature: string, hash: import("node:crypto").Hash }>} */
  const sessions = new Map();
  for (const message of core.newContentSince() ?? []) {
    for (const [name, { newTransactions, lastSignature }] of Object.entries(message.new)) {
      let session = sessions.get(name);
      if (!session) {
        session = { count: 0, signature: "", hash: createHash("sha256") };
        sessions.set(name, session);
      }
      for (const transaction of newTransactions) session.hash.update(JSON.stringify(transaction));
      session.count += newTransactions.length;
      session.signature = lastSignature;
    }
  }
  const described = [...sessions]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { count, signature, hash }]) => ({ name, count, signature, digest: hash.digest("hex") }));
  const transactions = described.reduce((sum, { count }) => sum + count, 0);
  return { transactions, sessions: { header: core.verified.header, described } };
}

/** @param {RawCoValue} content */
function describeContent(content) {
  if (content instanceof RawCoMap) return describeMap(content);
  // Plain texts are lists of their characters.
  if (content instanceof RawCoList) {
    return { items: content.asArray(), entries: content.entries(), deletions: content.deletionEdits() };
  }
  if (content instanceof RawBinaryCoStream) return describeFile(content);
  if (content instanceof RawCoStream) return { items: content.items };
  throw new Error(`${content.id}: the demo knows nothing of ${content.type}`);
}

/**
 * All values, every edit that led to them, and how the map was halfway through.
 *
 * @param {RawCoMap} map
 */
function describeMap(map) {
  const keys = Object.keys(map.ops).sort();
  const history = keys.map((key) => ({ key, edits: [...map.editsAt(key)] }));
  const times = history.flatMap(({ edits }) => edits.map(({ at }) => at.getTime())).sort((a, b) => a - b);
  const halfway = times[times.length >> 1];
  return {
    values: map.toJSON(),
    history,
    halfway: halfway === undefined ? null : map.atTime(halfway).toJSON(),
    myRole: map instanceof RawGroup ? map.myRole() : map.group.myRole(),
  };
}

/** @param {RawBinaryCoStream} stream */
function describeFile(stream) {
  const file = stream.getBinaryChunks();
  if (!file) return { complete: false };
  const hash = createHash("sha256");
  for (const chunk of file.chunks) hash.update(chunk);
  const { mimeType, fileName, chunks, finished } = file;
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return {
    complete: finished,
    mimeType,
    fileName,
    chunks: chunks.length,
    bytes: size,
    sha256: hash.digest("hex"),
  };
}

/**
 * Without what JSON does not have: the description that was written to a file is compared with one that was not.
 *
 * @param {unknown} description
 * @returns {Description}
 */
function plain(description) {
  return JSON.parse(JSON.stringify(description));
}

/**
 * Where two plain values differ.
 *
 * @param {JsonValue | undefined} expected
 * @param {JsonValue | undefined} actual
 * @param {string} [path] where both are
 * @returns {{ compared: number, differences: string[] }} `compared`: strings, numbers, booleans and nulls
 */
export function compare(expected, actual, path = "") {
  if (!isObject(expected) || !isObject(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    const differences =
      expected === actual ? [] : [`${path}: expected ${show(expected)}, found ${show(actual)}`];
    return { compared: 1, differences };
  }
  let compared = 0;
  /** @type {string[]} */
  const differences = [];
  for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const part = compare(own(expected, key), own(actual, key), path === "" ? key : `${path}.${key}`);
    compared += part.compared;
    differences.push(...part.differences);
  }
  return { compared, differences };
}

/**
 * @param {JsonValue | undefined} value
 * @returns {value is { readonly [key: string]: JsonValue | undefined }}
 */
function isObject(value) {
  return typeof value === "object" && value !== null;
}

/**
 * @param {{ readonly [key: string]: JsonValue | undefined }} object
 * @param {string} key
 */
function own(object, key) {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** @param {JsonValue | undefined} value */
function show(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
