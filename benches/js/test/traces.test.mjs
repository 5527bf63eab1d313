/** The traces have the shapes they are named for, and go through a storage as what is done to it says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EmptyStorage } from "../src/capture.mjs";
import { Consumer, changesOf } from "../src/consumer.mjs";
import { loadAll, loadKnownStates, storeAll } from "../src/drive.mjs";
import { recordBulk, recordFiles, recordHot, recordSmall, transactionCount } from "../src/trace.mjs";

/**
 * @typedef {import("../src/digest.mjs").Message} Message
 * @typedef {import("../src/trace.mjs").Trace} Trace
 */

/** @param {Trace} trace */
function messagesOf({ lines }) {
  return lines.map((line) => /** @type {Message} */ (JSON.parse(line)));
}

/** @param {Trace} trace */
function messagesByValue(trace) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { id } of messagesOf(trace)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts.values()];
}

test("small: many values, a handful of messages each", async () => {
  const trace = await recordSmall({ messages: 200 }, 7);
  assert.ok(trace.matching >= 200);
  assert.ok(trace.values > 30);
  assert.ok(Math.max(...messagesByValue(trace)) < 40);
  const created = messagesOf(trace).filter(({ header }) => header !== undefined);
  assert.equal(created.length, trace.values);
});

test("hot: few values take all the messages", async () => {
  const trace = await recordHot({ messages: 200, values: 2 }, 7);
  assert.ok(trace.matching >= 200);
  const hot = messagesByValue(trace).filter((count) => count > 50);
  assert.equal(hot.length, 2);
});

test("bulk: messages of as many transactions as were asked for", async () => {
  const trace = await recordBulk({ messages: 4, transactions: 300, values: 2 }, 7);
  assert.ok(trace.matching >= 4);
  assert.ok(messagesOf(trace).filter((message) => transactionCount(message) === 300).length >= 4);
});

test("files: chunks of 150 KB, encrypted, a message each", async () => {
  const trace = await recordFiles({ chunks: 4, values: 2 }, 7);
  const chunks = messagesOf(trace)
    .flatMap(({ new: sessions }) => Object.values(sessions))
    .filter(({ newTransactions: [first] }) => first && changesOf(first).length > 140_000);
  assert.equal(chunks.length, 4);
  for (const { newTransactions } of chunks) {
    const [only] = newTransactions;
    assert.ok(only?.privacy === "private" && newTransactions.length === 1);
    assert.ok(Math.abs(changesOf(only).length - 150_000) < 1_000);
  }
});

test("the same seed gives messages of the same sizes", async () => {
  const sizes = async () =>
    (await recordSmall({ messages: 30 }, 5)).lines.map((line) => line.length).slice(0, 10);
  const [first, second] = [await sizes(), await sizes()];
  for (const [at, size] of first.entries()) assert.ok(Math.abs(size - (second[at] ?? 0)) < 40);
});

/** Reports stores done some turns of the event loop later, and counts those in flight. */
class LateStorage extends EmptyStorage {
  inFlight = 0;
  most = 0;
  /** @type {string[]} */
  asked = [];

  /**
   * @override
   * @type {import("cojson").StorageAPI["store"]}
   */
  store(_message, _correction, done) {
    this.inFlight += 1;
    this.most = Math.max(this.most, this.inFlight);
    setImmediate(() => {
      this.inFlight -= 1;
      done?.();
    });
  }

  /**
   * @override
   * @type {import("cojson").StorageAPI["load"]}
   */
  load(id, callback, done) {
    this.asked.push(id);
    setImmediate(() => {
      const [message] = messages.filter((found) => found.id === id);
      if (message) callback(message);
      done?.(message !== undefined);
    });
  }

  /**
   * @override
   * @type {import("cojson").StorageAPI["loadKnownState"]}
   */
  loadKnownState(id, callback) {
    setImmediate(() => {
      callback({ id: /** @type {import("cojson").RawCoID} */ (id), header: true, sessions: {} });
    });
  }
}

const messages = messagesOf(await recordSmall({ messages: 100 }, 3));
const ids = [...new Set(messages.map(({ id }) => id))];

test("no more than the window is in flight, and everything is done at the end", async () => {
  for (const window of [1, 8, 1_000]) {
    const storage = new LateStorage();
    const { latencies } = await storeAll(storage, messages, window);
    assert.equal(storage.most, Math.min(window, messages.length));
    assert.equal(storage.inFlight, 0);
    assert.equal(latencies.length, messages.length);
    assert.ok(latencies.every((latency) => latency > 0));
  }
});

test("values are loaded one by one, and looked at", async () => {
  const storage = new LateStorage();
  const consumer = new Consumer();
  const { latencies } = await loadAll(storage, ids, consumer.take);
  assert.deepEqual(storage.asked, ids);
  assert.equal(latencies.length, ids.length);
  assert.equal(consumer.messages, ids.length);
  assert.ok(consumer.transactions >= ids.length - 2 && consumer.characters > consumer.transactions);
  await assert.rejects(loadAll(storage, ["co_zNone"], consumer.take), /is not stored/);
});

test("known states come in the order in which they were asked for", async () => {
  const { states } = await loadKnownStates(new LateStorage(), ids);
  assert.deepEqual(
    states.map((state) => state?.id),
    ids,
  );
});
