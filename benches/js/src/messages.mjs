/**
 * Messages of the sizes of a real node's, made from a seed alone: every byte is the same in every run, and nothing needs
 * cojson's crypto.
 */
import { below } from "./random.mjs";

/**
 * @typedef {import("../../../npm/jazz-native-storage/dist/cojson-internals.js").ContentMessage} ContentMessage
 * @typedef {import("../../../npm/jazz-native-storage/dist/cojson-internals.js").Transaction} Transaction
 * @typedef {import("./random.mjs").Random} Random
 *
 * @typedef {object} Shape
 * @property {number} messages each goes on where the one before ended; the first one brings the header
 * @property {number} transactions in each message, all private, with one key
 * @property {number} changes characters of the ciphertext in each transaction
 */

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * The messages that fill one session of one CoValue.
 *
 * @param {Random} random
 * @param {Shape} shape
 * @returns {ContentMessage[]}
 */
export function messagesOfSession(random, { messages, transactions, changes }) {
  const id = coValueId(random);
  const session = `${coValueId(random)}_session_z${characters(random, BASE58, 12)}`;
  const keyUsed = `key_z${characters(random, BASE58, 17)}`;
  const header = {
    type: "comap",
    ruleset: { type: "ownedByGroup", group: coValueId(random) },
    meta: null,
    createdAt: "2026-01-01T00:00:00.000Z",
    uniqueness: `z${characters(random, BASE58, 17)}`,
  };
  let madeAt = Date.parse(header.createdAt);
  const transaction = () => {
    madeAt += 1 + below(random, 1000);
    return { encryptedChanges: ciphertext(random, changes), keyUsed, madeAt, privacy: "private" };
  };
  const made = Array.from({ length: messages }, (_, at) => ({
    action: "content",
    id,
    ...(at === 0 ? { header } : {}),
    priority: 3,
    new: {
      [session]: {
        after: at * transactions,
        newTransactions: Array.from({ length: transactions }, transaction),
        lastSignature: `signature_z${characters(random, BASE58, 88)}`,
      },
    },
  }));
  // Ids, keys and signatures are types of their own in cojson; these are strings that only look like them.
  return /** @type {ContentMessage[]} */ (/** @type {unknown} */ (made));
}

/**
 * All transactions of messages to one session, in their order.
 *
 * @param {readonly ContentMessage[]} messages
 * @returns {Transaction[]}
 */
export function transactionsOf(messages) {
  return messages.flatMap((message) => Object.values(message.new).flatMap((part) => part.newTransactions));
}

/** @param {Random} random */
function coValueId(random) {
  return `co_z${characters(random, BASE58, 26)}`;
}

/**
 * @param {Random} random
 * @param {number} length
 */
function ciphertext(random, length) {
  const prefix = "encrypted_U";
  return prefix + characters(random, BASE64URL, length - prefix.length);
}

/**
 * @param {Random} random
 * @param {string} alphabet
 * @param {number} length
 */
function characters(random, alphabet, length) {
  let result = "";
  while (result.length < length) result += alphabet[below(random, alphabet.length)];
  return result;
}
