/**
 * The queue of the async flavour over the real engine: whatever has to be corrected or fails, all messages are stored in
 * their order (rules, C-3).
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { BATCH_FOLLOWS } from "../src/generated/definitions.js";
import type { JazzNativeStorage } from "../src/index.js";
import {
  HEADER,
  type KnownState,
  loadWhole,
  type Message,
  message,
  open,
  secret,
  silence,
} from "./support.js";

const MESSAGES = 4000;
/** Messages under way at a time: fewer than fill a batch, and more than fill two. */
const WINDOW = 64;
const LARGE_WINDOW = 700;
const SESSIONS = ["sealer_z1/signer_z1_session_z1", "sealer_z1/signer_z1_session_z2"];

interface Native {
  storeBatchAsync(batch: Uint8Array): Promise<Uint8Array>;
}

/** Has each `failing`-th batch fail without reaching the engine. Gives what tells how many did. */
function loseBatches(storage: JazzNativeStorage, failing: number): () => number {
  const native = Reflect.get(storage, "native") as Native;
  const send = native.storeBatchAsync.bind(native);
  let calls = 0;
  native.storeBatchAsync = (batch) => {
    calls++;
    return calls % failing === 0 ? Promise.reject(new Error("the batch was lost")) : send(batch);
  };
  return () => Math.floor(calls / failing);
}

/** Random numbers below `n`, enough for all messages. */
function random(seed: number): (n: number) => number {
  const numbers = fc.sample(fc.noBias(fc.nat()), { seed, numRuns: 5 * MESSAGES }).values();
  return (n) => {
    const { value } = numbers.next();
    if (value === undefined) throw new Error("all random numbers are used up");
    return value % n;
  };
}

/** Sessions of values as they should be stored, of which some messages get lost on the way and others are malformed. */
class Script {
  /** What each session holds once all is stored that was sent. */
  readonly sent = new Map<string, number>();
  private readonly written = new Map<string, number>();
  private readonly below: (n: number) => number;

  constructor(seed: number) {
    this.below = random(seed);
  }

  /** The next message; malformed, and so not stored, if `valid` is false. */
  next(): { message: Message; valid: boolean } {
    for (;;) {
      const id = `co_z${this.below(9)}`;
      const session = SESSIONS[this.below(SESSIONS.length)] as string;
      const key = `${id} ${session}`;
      const after = this.written.get(key) ?? 0;
      const end = after + 1 + this.below(3);
      this.written.set(key, end);
      const fate = this.below(100);
      if (fate < 4) continue;
      const content = this.part(id, session, after, end);
      if (fate < 6) {
        Object.assign(content.new[session as keyof typeof content.new] as object, {
          newTransactions: "none",
        });
        return { message: content, valid: false };
      }
      this.sent.set(key, end);
      return { message: content, valid: true };
    }
  }

  /** What is lacking of a message. */
  correct({ id, new: contents }: Message, { header, sessions }: KnownState): Message[] {
    const counters: Record<string, number> = sessions;
    return Object.entries(contents).map(([session, { after, newTransactions }]) =>
      this.part(id, session, header ? (counters[session] ?? 0) : 0, after + newTransactions.length),
    );
  }

  private part(id: string, session: string, after: number, end: number): Message {
    const transactions = Array.from({ length: end - after }, (_, i) =>
      secret(`${id} ${session} ${after + i}`),
    );
    // A header goes with what begins a session; without it, the first of a value has to be corrected.
    return message(id, { [session]: { after, transactions } }, after === 0 ? HEADER : undefined);
  }
}

test.each([
  { name: "none fails", window: WINDOW, failing: Number.POSITIVE_INFINITY, seed: 1 },
  { name: "batches get lost", window: WINDOW, failing: 7, seed: 2 },
  { name: "none fails", window: LARGE_WINDOW, failing: Number.POSITIVE_INFINITY, seed: 3 },
  { name: "batches get lost", window: LARGE_WINDOW, failing: 7, seed: 4 },
])(
  "Q-3, C-3: $window messages at a time are stored in order while some are corrected, and $name",
  async ({ window, failing, seed }) => {
    const logged = silence("error");
    const storage = await open({ durability: "memory", flavour: "async" });
    const lost = loseBatches(storage, failing);
    const script = new Script(seed);
    const finished: number[] = [];
    /** How many were finished when a correction was asked for, and how many had to be. */
    const corrected: [finished: number, before: number][] = [];
    let valid = 0;
    let wake: (() => void) | undefined;
    for (let sent = 0; sent < MESSAGES; sent++) {
      while (valid - finished.length >= window) await new Promise<void>((resolve) => (wake = resolve));
      const { message: content, valid: isValid } = script.next();
      const number = valid;
      if (isValid) valid++;
      storage.store(
        content,
        (knownState) => {
          corrected.push([finished.length, number]);
          return script.correct(content, knownState);
        },
        () => {
          finished.push(number);
          wake?.();
        },
      );
    }
    await storage.flush();

    expect(finished).toEqual(Array.from({ length: valid }, (_, i) => i));
    for (const [key, end] of script.sent) {
      const [id = "", session = ""] = key.split(" ");
      const { sessions } = await loadWhole(storage, id);
      const expected = Array.from({ length: end }, (_, i) => secret(`${id} ${session} ${i}`));
      expect(sessions[session]?.transactions).toEqual(expected);
    }
    expect(corrected.length).toBeGreaterThan(50);
    for (const [before, expected] of corrected) expect(before).toBe(expected);
    expect(lost()).toBeGreaterThanOrEqual(failing === Number.POSITIVE_INFINITY ? 0 : 10);
    // Each malformed one was told of, and nothing else: lost batches are stored message by message.
    expect(logged.mock.calls.length).toBe(MESSAGES - valid);
  },
);

/** A storage of which all is told that is sent to the engine, and that is stored for who sends messages of one session. */
async function watched() {
  const storage = await open({ durability: "memory", flavour: "async" });
  const native = Reflect.get(storage, "native") as Native;
  const send = native.storeBatchAsync.bind(native);
  const events: string[] = [];
  native.storeBatchAsync = (batch) => {
    const follows = new DataView(batch.buffer, batch.byteOffset).getUint32(0, true) >= BATCH_FOLLOWS;
    events.push(follows ? "sent ahead" : "sent");
    return send(batch);
  };
  const session = SESSIONS[0] as string;
  const store = (after: number, correct?: () => Message[]) => {
    const part = message("co_z1", { [session]: { after, transactions: [secret(`${after}`)] } }, HEADER);
    const correction = () => {
      events.push("asked");
      return correct?.();
    };
    storage.store(part, correction, () => after % 100 === 0 && events.push(`stored ${after}`));
  };
  /** Sends messages of which the one before the first is lacking, and brings it when asked. */
  const storeLacking = (first: number, end: number) => {
    const transactions = [secret(`${first - 1}`), secret(`${first}`)];
    const lacking = message("co_z1", { [session]: { after: first - 1, transactions } });
    store(first, () => [lacking]);
    for (let after = first + 1; after < end; after++) store(after);
  };
  const stored = async () => {
    const { sessions } = await loadWhole(storage, "co_z1");
    return sessions[session]?.transactions;
  };
  return { storage, events, store, storeLacking, stored };
}

const secrets = (end: number) => Array.from({ length: end }, (_, i) => secret(`${i}`));

test("Q-3: the next batch sets out before the callers of the last one are told, but only if all of that was stored", async () => {
  const { storage, events, store, storeLacking, stored } = await watched();
  for (let after = 0; after <= 300; after++) store(after);
  await storage.flush();
  expect(events.splice(0)).toEqual(["sent", "sent", "stored 0", "stored 100", "stored 200", "stored 300"]);

  storeLacking(302, 601);
  await storage.flush();
  expect(events.slice(0, 3)).toEqual(["sent", "asked", "sent"]);
  expect(events.filter((event) => event === "asked")).toHaveLength(1);
  expect(await stored()).toEqual(secrets(601));
});

test("Q-3, C-3: a full batch sets out while the last one is being stored, and is stored only if all of that was", async () => {
  const { storage, events, store, storeLacking, stored } = await watched();
  for (let after = 0; after < 700; after++) store(after);
  await storage.flush();
  expect(events.splice(0)).toEqual([
    ...["sent", "sent ahead", "stored 0", "stored 100", "stored 200"],
    ...["sent", "stored 300", "stored 400", "stored 500", "stored 600"],
  ]);

  storeLacking(701, 1400);
  await storage.flush();
  expect(events.slice(0, 4)).toEqual(["sent", "sent ahead", "asked", "sent"]);
  expect(events.filter((event) => event === "asked")).toHaveLength(1);
  expect(events.filter((event) => event.startsWith("stored"))).toEqual(
    [800, 900, 1000, 1100, 1200, 1300].map((after) => `stored ${after}`),
  );
  expect(await stored()).toEqual(secrets(1400));
});

test("Q-3: messages before and behind a batch that was lost are stored in order", async () => {
  const { storage, events, store, stored } = await watched();
  const logged = silence("error");
  loseBatches(storage, 3);
  for (let after = 0; after < 2000; after++) store(after);
  await storage.flush();
  expect(events.filter((event) => event === "asked")).toEqual([]);
  expect(await stored()).toEqual(secrets(2000));
  expect(logged).not.toHaveBeenCalled();
});
