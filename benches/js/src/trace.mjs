/**
 * Records what a real node sends to its storage: headers, ciphertexts and signatures are those of cojson's own crypto.
 * The edits come from a seed; ids, keys and signatures differ from recording to recording, their sizes do not.
 */
import { LocalNode } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { CapturingStorage } from "./capture.mjs";
import { changesOf } from "./consumer.mjs";
import { below, pick, seeded, text } from "./random.mjs";

/**
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 * @typedef {import("cojson").RawCoMap} RawCoMap
 * @typedef {import("./random.mjs").Random} Random
 *
 * @typedef {object} Trace
 * @property {string} name
 * @property {string} title
 * @property {string[]} lines a message each, as JSON text
 * @property {number} matching messages of the shape that the trace is about
 * @property {number} transactions in all messages
 * @property {number} values CoValues that the messages make up
 * @property {number} payload bytes of JSON in all messages
 *
 * @typedef {object} SmallShape
 * @property {number} messages at least this many with exactly one transaction
 *
 * @typedef {object} HotShape
 * @property {number} messages at least this many with exactly one transaction
 * @property {number} values CoValues that take all edits
 *
 * @typedef {object} BulkShape
 * @property {number} messages at least this many with exactly so many transactions
 * @property {number} transactions
 * @property {number} values CoValues that the messages are spread over
 *
 * @typedef {object} FilesShape
 * @property {number} chunks at least this many, a message each
 * @property {number} values files that the chunks are spread over
 */

/** In the trace of small CoValues one edit in four creates one, so that each gets a handful. */
const NEW_SHARE = 0.25;
/** One edit in so many is not encrypted. */
const TRUSTING_EVERY = 20;
/** Bytes of a file in one chunk: base64 and then the ciphertext's base64 make 150,000 characters of them. */
const FILE_CHUNK = 84_300;
/** Characters of changes from which a transaction counts as a file's chunk. */
const LARGE = 140_000;

/**
 * Many small CoValues: some messages create one, the others go on with any there is.
 *
 * @param {SmallShape} shape
 * @param {number} seed
 * @returns {Promise<Trace>}
 */
export async function recordSmall(shape, seed) {
  const random = seeded(seed);
  const { storage, group } = await createNode();
  /** @type {RawCoMap[]} */
  const maps = [];
  for (let edits = 0; edits < shape.messages; edits++) {
    if (maps.length === 0 || random() < NEW_SHARE) {
      maps.push(group.createMap({ title: text(random, 20 + below(random, 60)) }));
    } else {
      edit(pick(random, maps), random, edits);
    }
    await settle();
  }
  const title = `of one transaction, to ${maps.length} small CoValues`;
  return trace("small", title, storage, single, shape.messages);
}

/**
 * Few hot CoValues, edited all the time: each edit becomes a message.
 *
 * @param {HotShape} shape
 * @param {number} seed
 * @returns {Promise<Trace>}
 */
export async function recordHot(shape, seed) {
  const random = seeded(seed);
  const { storage, group } = await createNode();
  const maps = Array.from({ length: shape.values }, () => group.createMap());
  await settle();
  for (let edits = 0; edits < shape.messages; edits++) {
    edit(pick(random, maps), random, edits);
    await settle();
  }
  const title = `of one transaction, to ${shape.values} hot CoValues`;
  return trace("hot", title, storage, single, shape.messages);
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
  const matches = (/** @type {Message} */ message) => transactionCount(message) === shape.transactions;
  let matching = 0;
  for (let turn = 0; matching < shape.messages; turn++) {
    const map = /** @type {RawCoMap} */ (maps[turn % maps.length]);
    const before = storage.messages.length;
    for (let n = 0; n < shape.transactions; n++) edit(map, random, n);
    await settle();
    matching += storage.messages.slice(before).filter((line) => matches(JSON.parse(line))).length;
  }
  const title = `of ${shape.transactions} transactions, to ${shape.values} CoValues`;
  return trace("bulk", title, storage, matches, shape.messages);
}

/**
 * Files as binary streams, a message for each chunk.
 *
 * @param {FilesShape} shape
 * @param {number} seed
 * @returns {Promise<Trace>}
 */
export async function recordFiles(shape, seed) {
  const random = seeded(seed);
  const { storage, group } = await createNode();
  const chunks = Math.ceil(shape.chunks / shape.values);
  for (let file = 0; file < shape.values; file++) {
    const stream = group.createBinaryStream();
    stream.startBinaryStream({
      mimeType: "application/octet-stream",
      fileName: `file ${file}`,
      totalSizeBytes: chunks * FILE_CHUNK,
    });
    await settle();
    for (let n = 0; n < chunks; n++) {
      stream.pushBinaryStreamChunk(content(random, FILE_CHUNK), "private");
      await settle();
    }
    stream.endBinaryStream();
    await settle();
  }
  const title = `with a chunk of 150 KB, to ${shape.values} files`;
  return trace("files", title, storage, isChunk, shape.chunks);
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
 * @param {RawCoMap} map
 * @param {Random} random
 * @param {number} n
 */
function edit(map, random, n) {
  const privacy = n % TRUSTING_EVERY === 0 ? "trusting" : "private";
  map.set(`field${below(random, 12)}`, text(random, 30 + below(random, 70)), privacy);
}

/**
 * @param {Random} random
 * @param {number} length
 */
function content(random, length) {
  return Uint8Array.from({ length }, () => below(random, 256));
}

/** Lets the node hand on its edits, which it does at the end of a turn: edits of one turn make one message. */
async function settle() {
  await Promise.resolve();
}

/**
 * @param {string} name
 * @param {string} title
 * @param {CapturingStorage} storage
 * @param {(message: Message) => boolean} matches
 * @param {number} wanted
 * @returns {Trace}
 */
function trace(name, title, { messages: lines }, matches, wanted) {
  const values = new Set();
  let matching = 0;
  let transactions = 0;
  let payload = 0;
  for (const line of lines) {
    const message = /** @type {Message} */ (JSON.parse(line));
    values.add(message.id);
    transactions += transactionCount(message);
    payload += Buffer.byteLength(line);
    if (matches(message)) matching += 1;
  }
  if (matching < wanted) {
    throw new Error(`trace ${name}: ${matching} of ${wanted} messages have the shape that was asked for`);
  }
  return {
    name,
    title: `${lines.length} messages, ${matching} of them ${title}`,
    lines,
    matching,
    transactions,
    values: values.size,
    payload,
  };
}

/** @param {Message} message */
function single(message) {
  return transactionCount(message) === 1;
}

/** @param {Message} message */
function isChunk(message) {
  const [first] = Object.values(message.new).flatMap(({ newTransactions }) => newTransactions);
  return first !== undefined && single(message) && changesOf(first).length >= LARGE;
}

/** @param {Message} message */
export function transactionCount(message) {
  return Object.values(message.new).reduce((sum, { newTransactions }) => sum + newTransactions.length, 0);
}
