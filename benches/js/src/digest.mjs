/**
 * Digests of content messages. Two storages with equal `deliveries` gave the same messages in the same order; equal
 * `content` means the same values, however they were cut into messages.
 */
import { createHash } from "node:crypto";

/**
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 *
 * @typedef {object} Value
 * @property {string} header JSON text
 * @property {Map<string, { transactions: string[], signature: string }>} sessions
 */

/**
 * The values that these messages make up. Messages of one value may come again, and in any order of its sessions, but
 * must not leave a gap.
 *
 * @param {Iterable<Message>} messages
 * @returns {string}
 */
export function contentDigest(messages) {
  /** @type {Map<string, Value>} */
  const values = new Map();
  for (const { id, header, new: sessions } of messages) {
    let value = values.get(id);
    if (!value) {
      value = { header: "", sessions: new Map() };
      values.set(id, value);
    }
    if (header) value.header = JSON.stringify(header);
    for (const [name, { after, newTransactions, lastSignature }] of Object.entries(sessions)) {
      let session = value.sessions.get(name);
      if (!session) {
        session = { transactions: [], signature: "" };
        value.sessions.set(name, session);
      }
      if (session.transactions.length < after) {
        throw new Error(
          `${id}: ${name} goes on at ${after}, after ${session.transactions.length} transactions`,
        );
      }
      session.transactions.length = after;
      for (const transaction of newTransactions) session.transactions.push(JSON.stringify(transaction));
      session.signature = lastSignature;
    }
  }
  const hash = createHash("sha256");
  for (const [id, { header, sessions }] of sorted(values)) {
    hash.update(JSON.stringify([id, header, sorted(sessions)]));
  }
  return hash.digest("hex");
}

/**
 * The messages as they are, one after the other.
 *
 * @param {Iterable<Message>} messages
 * @returns {string}
 */
export function deliveryDigest(messages) {
  const hash = createHash("sha256");
  for (const { id, header, priority, expectContentUntil, new: sessions } of messages) {
    const expected = expectContentUntil && Object.entries(expectContentUntil).sort();
    const pieces = Object.entries(sessions).map(([session, { after, newTransactions, lastSignature }]) => [
      session,
      after,
      newTransactions,
      lastSignature,
    ]);
    hash.update(JSON.stringify([id, header, priority, expected, pieces]));
  }
  return hash.digest("hex");
}

/**
 * Known states: of each value, how many transactions each of its sessions has.
 *
 * @param {Iterable<{ id: string, sessions: Record<string, number> }>} states
 * @returns {string}
 */
export function knownDigest(states) {
  const hash = createHash("sha256");
  const byId = [...states].map(({ id, sessions }) => JSON.stringify([id, Object.entries(sessions).sort()]));
  for (const state of byId.sort()) hash.update(state);
  return hash.digest("hex");
}

/**
 * The known states that these messages make up.
 *
 * @param {Iterable<Message>} messages
 * @returns {{ id: string, sessions: Record<string, number> }[]}
 */
export function knownStatesOf(messages) {
  /** @type {Map<string, Record<string, number>>} */
  const values = new Map();
  for (const { id, new: contents } of messages) {
    const sessions = values.get(id) ?? {};
    values.set(id, sessions);
    for (const [session, { after, newTransactions }] of Object.entries(contents)) {
      sessions[session] = after + newTransactions.length;
    }
  }
  return [...values].map(([id, sessions]) => ({ id, sessions }));
}

/**
 * @template T
 * @param {Map<string, T>} map
 * @returns {[string, T][]}
 */
function sorted(map) {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
