/**
 * One side of the boundary, measured in a process of its own: `boundary-phase.mjs SIDE BINDING SEED SIZE`. SIDE is
 * `binding`, or `floor`: what JavaScript needs alone for the same bytes, for which the binding is asked once. SIZE is
 * `quick` or `full`. The result goes to the parent over the channel of `fork`.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readLoaded } from "../../../npm/jazz-native-storage/dist/codec/loaded.js";
import { writeMessage } from "../../../npm/jazz-native-storage/dist/codec/messages.js";
import { ByteWriter } from "../../../npm/jazz-native-storage/dist/codec/writer.js";
import { TRANSACTION_CONFIG } from "../../../npm/jazz-native-storage/dist/cojson-internals.js";
import { BINDINGS, isBinding } from "./bindings.mjs";
import { messagesOfSession, transactionsOf } from "./messages.mjs";
import { seeded } from "./random.mjs";

/**
 * @typedef {import("../../../npm/jazz-native-storage/dist/generated/native.js").NativeBinding} NativeBinding
 * @typedef {import("../../../npm/jazz-native-storage/dist/generated/native.js").NativeStorage} NativeStorage
 * @typedef {import("./messages.mjs").ContentMessage} ContentMessage
 * @typedef {import("./messages.mjs").Shape} Shape
 *
 * @typedef {"progress" | "version" | "store" | "storeAsync" | "load" | "loadAsync" | "decoded"} Case
 *
 * @typedef {object} BoundaryResult
 * @property {Record<Case, number>} microseconds per call
 * @property {Record<Case, number>} calls
 * @property {number} messageBytes of a message that is stored, but for the first one, which has the header
 * @property {number} loadedBytes of the CoValue that is loaded
 * @property {string} loaded digest of these bytes
 *
 * @typedef {Pick<BoundaryResult, "microseconds" | "messageBytes">} Measured
 */

/** The CoValue that is loaded: cojson keeps messages to about 100 KiB, so a few of them. */
const LARGE = { messages: 4, transactions: 250, changes: 150 };
/** How often something is called in a round; a store puts one transaction more into a session. */
const CALLS = {
  full: { nothing: 1_000_000, load: 2_000, store: 20_000 },
  quick: { nothing: 1_000, load: 5, store: 300 },
};

/** The same for all bindings, whose defaults differ, and large enough that nothing is done in the background meanwhile. */
const OPEN = /** @type {const} */ ({
  durability: "memory",
  cacheBytes: 16 << 20,
  segmentBytes: 64 << 20,
  deltaBytes: 64 << 20,
  bufferBytes: 8 << 20,
});
const CONTEXT = { deleteIsValid: false, chunkThreshold: TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE };
/** More bytes than are in any of the CoValues, so that a load leaves nothing out. */
const BUDGET = 1 << 30;

const [side, name = "", seed = "", size = ""] = process.argv.slice(2);
if (!isBinding(name)) throw new Error(`there is no binding ${name}`);
if (size !== "full" && size !== "quick") throw new Error(`there is no size ${size}`);
const binding = await BINDINGS[name].load();
const random = seeded(Number(seed));
const large = messagesOfSession(random, LARGE);
const largeBytes = large.map(encode);
const calls = CALLS[size];
/** Results go here, so that no call can be optimised away. @type {{ last?: unknown }} */
const sink = {};

const loaded = await storedLarge();
const { microseconds, messageBytes } = side === "floor" ? await measureFloor() : await measureBinding();
/** @type {BoundaryResult} */
const result = {
  microseconds,
  calls: {
    progress: calls.nothing,
    version: calls.nothing,
    load: calls.load,
    loadAsync: calls.load,
    decoded: calls.load,
    store: calls.store,
    storeAsync: calls.store,
  },
  messageBytes,
  loadedBytes: loaded.length,
  loaded: createHash("sha256").update(loaded).digest("hex"),
};
process.send?.(result);

/** @returns {Promise<Measured>} */
async function measureBinding() {
  const task = new binding.StorageTask();
  const { storage, id } = storeAll(largeBytes, large);
  const first = {
    progress: repeated(calls.nothing, () => task.progress()),
    version: repeated(calls.nothing, () => binding.libraryVersion()),
    load: repeated(calls.load, () => storage.load(id, BUDGET)),
    loadAsync: await repeatedAsync(calls.load, () => storage.loadAsync(id, BUDGET)),
    decoded: repeated(calls.load, () => decode(storage.load(id, BUDGET))),
  };
  const { hot, hotBytes, messageBytes } = createHot();
  const store = stored(hot, hotBytes);
  const storeAsync = await storedAsync(hot, hotBytes);
  return { microseconds: { ...first, store, storeAsync }, messageBytes };
}

/** @returns {Promise<Measured>} */
async function measureFloor() {
  let asked = 0;
  const first = {
    progress: repeated(calls.nothing, () => ({ done: asked++, total: 0 })),
    version: repeated(calls.nothing, () => ({ package: name, abi: asked++ })),
    load: repeated(calls.load, () => loaded.slice()),
    loadAsync: await repeatedAsync(calls.load, async () => loaded.slice()),
    decoded: repeated(calls.load, () => decode(loaded)),
  };
  const { hot, messageBytes } = createHot();
  const writer = new ByteWriter();
  let next = 0;
  const store = repeated(hot.length, () => {
    writeMessage(writer.reset(), /** @type {ContentMessage} */ (hot[next++ % hot.length]), CONTEXT);
    return writer.written();
  });
  const storeAsync = await repeatedAsync(hot.length, async () => null);
  return { microseconds: { ...first, store, storeAsync }, messageBytes };
}

/** The messages that are stored. Only when loads are done: the collector, which these keep busy, would go through them. */
function createHot() {
  const hot = messagesOfSession(random, { messages: calls.store, transactions: 1, changes: LARGE.changes });
  const hotBytes = hot.map(encode);
  return { hot, hotBytes, messageBytes: hotBytes[1]?.length ?? 0 };
}

/**
 * The CoValue that is loaded, in memory of JavaScript's own, once it is known to be what was stored.
 *
 * @returns {Promise<Uint8Array>}
 */
async function storedLarge() {
  const { storage, id } = storeAll(largeBytes, large);
  const bytes = storage.load(id, BUDGET);
  assert.ok(bytes);
  assert.deepEqual(await storage.loadAsync(id, BUDGET), bytes, "loadAsync differs from load");
  verify(bytes, large);
  return Uint8Array.from(bytes);
}

/**
 * Appends to a session in a fresh store; what is in it then is compared with what was given.
 *
 * @param {readonly ContentMessage[]} messages
 * @param {readonly Uint8Array[]} encoded
 */
function stored(messages, encoded) {
  storeAll(encoded, messages);
  const { storage, id, elapsed } = storeAll(encoded, messages);
  verify(storage.load(id, BUDGET), messages);
  return (elapsed * 1000) / messages.length;
}

/**
 * @param {readonly ContentMessage[]} messages
 * @param {readonly Uint8Array[]} encoded
 */
async function storedAsync(messages, encoded) {
  await storeAllAsync(encoded);
  const { storage, elapsed } = await storeAllAsync(encoded);
  verify(storage.load(idBytes(messages), BUDGET), messages);
  return (elapsed * 1000) / messages.length;
}

/**
 * @param {readonly Uint8Array[]} encoded
 * @param {readonly ContentMessage[]} messages
 */
function storeAll(encoded, messages) {
  const storage = binding.NativeStorage.open(OPEN);
  globalThis.gc?.();
  const start = performance.now();
  for (const bytes of encoded) {
    if (storage.store(bytes)) throw new Error("a message was not stored");
  }
  return { storage, elapsed: performance.now() - start, id: idBytes(messages) };
}

/** @param {readonly Uint8Array[]} encoded */
async function storeAllAsync(encoded) {
  const storage = binding.NativeStorage.open(OPEN);
  globalThis.gc?.();
  const start = performance.now();
  for (const bytes of encoded) {
    if (await storage.storeAsync(bytes)) throw new Error("a message was not stored");
  }
  return { storage, elapsed: performance.now() - start };
}

/**
 * Microseconds per call, after as many calls again for the compilers and the caches to warm up.
 *
 * @param {number} times
 * @param {() => unknown} call
 */
function repeated(times, call) {
  for (let left = times; left > 0; left--) sink.last = call();
  globalThis.gc?.();
  const start = performance.now();
  for (let left = times; left > 0; left--) sink.last = call();
  return ((performance.now() - start) * 1000) / times;
}

/**
 * The same of calls each of which is awaited before the next one.
 *
 * @param {number} times
 * @param {() => Promise<unknown>} call
 */
async function repeatedAsync(times, call) {
  for (let left = times; left > 0; left--) sink.last = await call();
  globalThis.gc?.();
  const start = performance.now();
  for (let left = times; left > 0; left--) sink.last = await call();
  return ((performance.now() - start) * 1000) / times;
}

/**
 * Everything that is in a loaded CoValue, as objects.
 *
 * @param {Uint8Array | null | undefined} bytes
 */
function decode(bytes) {
  if (!bytes) throw new Error("the CoValue is not stored");
  const { header, sessions } = readLoaded(bytes);
  const contents = sessions.map(({ id, pieces }) => ({ id, pieces: pieces.map((piece) => piece.read?.()) }));
  return { header, contents };
}

/**
 * Fails unless what was loaded is what was stored: the header, and one session with its transactions, each kept
 * signature where it was given, and the last one.
 *
 * @param {Uint8Array | null | undefined} bytes
 * @param {readonly ContentMessage[]} messages
 */
function verify(bytes, messages) {
  const { header, contents } = decode(bytes);
  assert.deepEqual(header, messages[0]?.header);
  assert.equal(contents.length, 1);
  const [content] = contents;
  assert.ok(content);
  const given = messages.map(({ new: sessions }) => sessions[/** @type {never} */ (content.id)]);
  const signatures = new Map(
    given.map((part) => [(part?.after ?? 0) + (part?.newTransactions.length ?? 0), part]),
  );
  let counter = 0;
  for (const piece of content.pieces) {
    assert.equal(piece?.after, counter);
    counter += piece?.newTransactions.length ?? 0;
    assert.equal(piece?.lastSignature, signatures.get(counter)?.lastSignature);
  }
  assert.deepEqual(
    content.pieces.flatMap((piece) => piece?.newTransactions ?? []),
    transactionsOf(messages),
  );
}

/**
 * @param {ContentMessage} message
 * @returns {Uint8Array}
 */
function encode(message) {
  const writer = new ByteWriter();
  writeMessage(writer, message, CONTEXT);
  return writer.copy();
}

/** @param {readonly ContentMessage[]} messages */
function idBytes(messages) {
  return new TextEncoder().encode(messages[0]?.id);
}
