/** The digests by which a run is checked tell apart what differs, and the statistics are what they are called. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contentDigest, deliveryDigest, knownDigest, knownStatesOf } from "../src/digest.mjs";
import { median, microseconds, percentile, range, spread, table } from "../src/figures.mjs";
import { messagesOfSession, transactionsOf } from "../src/messages.mjs";
import { seeded, shuffled } from "../src/random.mjs";
import { recordBulk, recordSmall } from "../src/trace.mjs";

/** @typedef {import("../src/digest.mjs").Message} Message */

const { lines } = await recordSmall({ messages: 60 }, 1);
const recorded = () => lines.map((line) => /** @type {Message} */ (JSON.parse(line)));

/** A message with content, for tests to change. */
function sample() {
  const messages = recorded();
  const message = messages.at(-1);
  const content = message && Object.values(message.new)[0];
  const transaction = content?.newTransactions[0];
  assert.ok(message && content && transaction);
  return { messages, message, content, transaction };
}

test("both digests are those of equal messages", () => {
  assert.equal(contentDigest(recorded()), contentDigest(recorded()));
  assert.equal(deliveryDigest(recorded()), deliveryDigest(recorded()));
});

test("both digests tell a changed time, signature, header and a missing message", () => {
  /** @type {((parts: ReturnType<typeof sample>) => void)[]} */
  const changes = [
    ({ transaction }) => {
      transaction.madeAt += 1;
    },
    ({ content }) => {
      content.lastSignature = "signature_zOther";
    },
    ({ messages }) => {
      const first = messages[0];
      assert.ok(first?.header);
      first.header.meta = { type: "other" };
    },
    ({ messages }) => {
      messages.pop();
    },
  ];
  for (const change of changes) {
    const parts = sample();
    change(parts);
    assert.notEqual(contentDigest(parts.messages), contentDigest(recorded()), String(change));
    assert.notEqual(deliveryDigest(parts.messages), deliveryDigest(recorded()), String(change));
  }
});

test("the digest of contents does not depend on how a session is cut, and refuses a gap", async () => {
  const { lines } = await recordBulk({ messages: 1, transactions: 10, values: 1 }, 1);
  const messages = lines.map((line) => /** @type {Message} */ (JSON.parse(line)));
  const at = messages.findIndex(
    ({ new: sessions }) => Object.values(sessions)[0]?.newTransactions.length === 10,
  );
  const whole = messages[at];
  const [session, content] = Object.entries(whole?.new ?? {})[0] ?? [];
  assert.ok(whole && session && content);
  const piece = (/** @type {number} */ from, /** @type {number} */ to) => ({
    ...whole,
    new: {
      [session]: {
        ...content,
        after: content.after + from,
        newTransactions: content.newTransactions.slice(from, to),
      },
    },
  });
  const cut = [...messages.slice(0, at), piece(0, 4), piece(4, 10), ...messages.slice(at + 1)];
  assert.equal(contentDigest(cut), contentDigest(messages));
  assert.notEqual(deliveryDigest(cut), deliveryDigest(messages));
  assert.throws(() => contentDigest([...messages.slice(0, at), piece(4, 10)]), /goes on at/);
});

test("the digest of known states tells a counter too low, and not the order", () => {
  const states = knownStatesOf(recorded());
  assert.equal(knownDigest(states.toReversed()), knownDigest(knownStatesOf(recorded())));
  const [state] = states;
  const [session] = Object.keys(state?.sessions ?? {});
  assert.ok(state && session);
  state.sessions[session] = (state.sessions[session] ?? 0) - 1;
  assert.notEqual(knownDigest(states), knownDigest(knownStatesOf(recorded())));
});

test("messages made from a seed are the same each time, and each goes on where the one before ended", () => {
  const shape = { messages: 3, transactions: 2, changes: 150 };
  const messages = messagesOfSession(seeded(3), shape);
  assert.deepEqual(messages, messagesOfSession(seeded(3), shape));
  assert.notDeepEqual(messages, messagesOfSession(seeded(4), shape));
  assert.deepEqual(
    messages.map(({ header }) => header !== undefined),
    [true, false, false],
  );
  assert.deepEqual(
    messages.flatMap(({ new: sessions }) => Object.values(sessions).map(({ after }) => after)),
    [0, 2, 4],
  );
  const transactions = transactionsOf(messages);
  assert.equal(transactions.length, 6);
  for (const transaction of transactions) {
    assert.ok(transaction.privacy === "private" && transaction.encryptedChanges.length === shape.changes);
  }
});

test("statistics", () => {
  const values = Float32Array.from({ length: 1000 }, (_, n) => n + 1);
  assert.deepEqual(
    [50, 99, 99.9, 100].map((percent) => percentile(values, percent)),
    [500, 990, 999, 1000],
  );
  assert.equal(percentile(Float32Array.of(7), 50), 7);
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.deepEqual(range([3, 1, 2]), { min: 1, max: 3 });
  assert.equal(spread([8, 10, 13]), 0.5);
  assert.deepEqual([0.04567, 1.234, 12.34, 123.4].map(microseconds), ["0.046", "1.23", "12.3", "123"]);
  assert.equal(
    table([
      ["", "n"],
      ["a", "10"],
    ]),
    "      n\n  -  --\n  a  10",
  );
});

test("a seed gives the same order each time, and every item once", () => {
  const items = Array.from({ length: 100 }, (_, n) => n);
  const order = shuffled(seeded(5), items);
  assert.deepEqual(order, shuffled(seeded(5), items));
  assert.notDeepEqual(order, shuffled(seeded(6), items));
  assert.notDeepEqual(order, items);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    items,
  );
});
