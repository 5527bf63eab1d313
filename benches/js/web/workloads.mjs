/** What is stored in browsers: the same in every page, as it is made from a seed. */
import { messagesOfSession } from "../src/messages.mjs";
import { seeded } from "../src/random.mjs";

/**
 * @typedef {import("../src/messages.mjs").ContentMessage} ContentMessage
 *
 * @typedef {object} Workload
 * @property {number} values of one session each
 * @property {number} messages to each of them
 * @property {number} transactions of each message
 * @property {number} changes characters of the ciphertext in each transaction
 */

/** Groups that own the values, and accounts that write them: each is stored, as a value with nothing but a header. */
const OWNERS = 8;

/**
 * The values, each with the messages that fill it: first those that the others depend on.
 *
 * @param {Workload} workload
 * @param {number} seed
 * @returns {{ owners: ContentMessage[], values: ContentMessage[][] }}
 */
export function valuesOf({ values: count, ...shape }, seed) {
  const random = seeded(seed);
  const owners = Array.from({ length: OWNERS }, () => {
    const [first] = messagesOfSession(random, { messages: 1, transactions: 0, changes: 0 });
    const { header, ...rest } = /** @type {ContentMessage} */ (first);
    return {
      ...rest,
      header: { .../** @type {any} */ (header), ruleset: { type: "unsafeAllowAll" } },
      new: {},
    };
  });
  const values = Array.from({ length: count }, (_, at) => {
    const { id } = /** @type {ContentMessage} */ (owners[at % OWNERS]);
    return messagesOfSession(random, shape).map((message) => ownedBy(message, id));
  });
  // As they come from elsewhere: strings that are built bit by bit cost whoever reads them first.
  return JSON.parse(JSON.stringify({ owners, values }));
}

/**
 * @param {ContentMessage} message
 * @param {string} owner
 * @returns {ContentMessage}
 */
function ownedBy({ header, new: sessions, ...rest }, owner) {
  const [session, content] = /** @type {[string, any]} */ (Object.entries(sessions)[0]);
  const own = header && { ...header, ruleset: { .../** @type {any} */ (header.ruleset), group: owner } };
  return {
    ...rest,
    ...(own ? { header: own } : {}),
    new: { [`${owner}_session_${session.split("_session_")[1]}`]: content },
  };
}

/**
 * The messages in the order in which they are stored: the first one of every value, then the second ones, and so on.
 *
 * @param {readonly ContentMessage[][]} values
 * @returns {ContentMessage[]}
 */
export function inTurns(values) {
  const rounds = values[0]?.length ?? 0;
  return Array.from({ length: rounds }, (_, at) =>
    values.map((messages) => /** @type {ContentMessage} */ (messages[at])),
  ).flat();
}
