/**
 * Records what a real node sends to its storage: headers, ciphertexts and signatures are those of cojson's own crypto.
 * The edits come from a seed; ids, keys and signatures differ from recording to recording, their sizes do not.
 */
import { LocalNode } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { CapturingStorage } from "./capture.mjs";
import { below, pick, seeded, text } from "./random.mjs";

/**
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 * @typedef {import("./random.mjs").Random} Random
 *
 * @typedef {object} Trace
 * @property {string} name
 * @property {string} title
 * @property {string[]} lines a message each, as JSON text
 * @property {number} matching messages of the shape that the trace is about
 * @property {number} transactions in all messages
 * @property {number} payload characters of JSON in all messages
 *
 * @typedef {object} EditsShape
 * @property {number} messages at least this many with exactly one transaction
 * @property {number} hot CoValues that take a quarter of the edits among themselves
 *
 * @typedef {object} BulkShape
 * @property {number} messages at least this many with exactly so many transactions
 * @property {number} transactions
 * @property {number} values CoValues that the messages are spread over
 */

/** A quarter of the edits goes to hot CoValues, another begins a new CoValue, the others go to any there is. */
const HOT_SHARE = 0.25;
const NEW_SHARE = 0.25;
/** One edit in so many is not encrypted. */
const TRUSTING_EVERY = 20;

/**
 * A person at work: each edit becomes a message with one transaction.
 *
 * @param {EditsShape} shape
 * @param {number} seed
 * @returns {Promise<Trace>}
 */
export async function recordEdits(shape, seed) {
  const random = seeded(seed);
  const { storage, group } = await createNode();
  const hot = Array.from({ length: shape.hot }, () => group.createMap({ kind: "hot" }));
  const small = [group.createMap({ kind: "small" })];
  await settle();
  let edits = 0;
  while (edits < shape.messages) {
    const choice = random();
    if (choice < NEW_SHARE) {
      small.push(group.createMap({ title: text(random, 20 + below(random, 60)) }));
    } else {
      const map = pick(random, choice < NEW_SHARE + HOT_SHARE ? hot : small);
      edit(map, random, edits);
    }
    edits += 1;
    await settle();
  }
  const title = `one-transaction messages to ${small.length} small CoValues and ${hot.length} hot ones`;
  return trace("edits", title, storage, (transactions) => transactions === 1, shape.messages);
}

/**
 * An import: each message holds many transactions. Where a session is due for a chunk signature (rule W-6), the node
 * cuts a message in two, so that there are more messages than asked for, and chunks to be loaded.
 *
 * @param {BulkShape} shape
 * @param {number} seed
 * @returns {Promise<Trace>}
 */
export async function recordBulk(shape, seed) {
  const random = seeded(seed);
  const { storage, group } = await createNode();
  const maps = Array.from({ length: shape.values }, () => group.createMap());
  await settle();
  const matches = (/** @type {number} */ transactions) => transactions === shape.transactions;
  let matching = 0;
  for (let turn = 0; matching < shape.messages; turn++) {
    const map = /** @type {import("cojson").RawCoMap} */ (maps[turn % maps.length]);
    const before = storage.messages.length;
    for (let n = 0; n < shape.transactions; n++) edit(map, random, n);
    await settle();
    const made = storage.messages.slice(before).map((line) => transactionCount(JSON.parse(line)));
    matching += made.filter(matches).length;
  }
  const title = `messages of ${shape.transactions} transactions to ${shape.values} CoValues`;
  return trace("bulk", title, storage, matches, shape.messages);
}

async function createNode() {
  const storage = new CapturingStorage();
  const { node } = await LocalNode.withNewlyCreatedAccount({
    crypto: await NapiCrypto.create(),
    creationProps: { name: "Bench" },
    storage,
  });
  return { storage, group: node.createGroup() };
}

/**
 * @param {import("cojson").RawCoMap} map
 * @param {Random} random
 * @param {number} n
 */
function edit(map, random, n) {
  const privacy = n % TRUSTING_EVERY === 0 ? "trusting" : "private";
  map.set(`field${below(random, 12)}`, text(random, 30 + below(random, 70)), privacy);
}

/** Lets the node hand on its edits, which it does at the end of a turn: edits of one turn make one message. */
async function settle() {
  await Promise.resolve();
}

/**
 * @param {string} name
 * @param {string} title
 * @param {CapturingStorage} storage
 * @param {(transactions: number) => boolean} matches
 * @param {number} wanted
 * @returns {Trace}
 */
function trace(name, title, { messages: lines }, matches, wanted) {
  let matching = 0;
  let transactions = 0;
  let payload = 0;
  for (const line of lines) {
    const count = transactionCount(JSON.parse(line));
    transactions += count;
    payload += line.length;
    if (matches(count)) matching += 1;
  }
  if (matching < wanted) {
    throw new Error(`trace ${name}: ${matching} of ${wanted} messages have the shape that was asked for`);
  }
  return {
    name,
    title: `${lines.length} messages: ${matching} ${title}`,
    lines,
    matching,
    transactions,
    payload,
  };
}

/** @param {Message} message */
function transactionCount(message) {
  return Object.values(message.new).reduce((sum, { newTransactions }) => sum + newTransactions.length, 0);
}
