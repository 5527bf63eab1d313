/**
 * The queue of the async flavour over the real engine: whatever has to be corrected or fails, all messages are stored in
 * their order (rules, C-3).
 */
import fc from "fast-check";
import { expect, test } from "vitest";
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
const WINDOW = 64;
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
  { name: "none fails", failing: Number.POSITIVE_INFINITY, seed: 1 },
  { name: "batches get lost", failing: 7, seed: 2 },
])(
  "Q-3, C-3: messages are stored in order while some are corrected, and $name",
  async ({ failing, seed }) => {
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
      while (valid - finished.length >= WINDOW) await new Promise<void>((resolve) => (wake = resolve));
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

test("Q-3: the next batch sets out before the callers of the last one are told, but only if all of that was stored", async () => {
  const storage = await open({ durability: "memory", flavour: "async" });
  const native = Reflect.get(storage, "native") as Native;
  const send = native.storeBatchAsync.bind(native);
  const events: string[] = [];
  native.storeBatchAsync = (batch) => {
    events.push("sent");
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
  for (let after = 0; after <= 300; after++) store(after);
  await storage.flush();
  expect(events.splice(0)).toEqual(["sent", "sent", "stored 0", "stored 100", "stored 200", "stored 300"]);

  const transactions = [secret("301"), secret("302")];
  const lacking = message("co_z1", { [session]: { after: 301, transactions } });
  for (let after = 302; after <= 600; after++) store(after, after === 302 ? () => [lacking] : undefined);
  await storage.flush();
  expect(events.slice(0, 3)).toEqual(["sent", "asked", "sent"]);
  expect(events.filter((event) => event === "asked")).toHaveLength(1);
  const { sessions } = await loadWhole(storage, "co_z1");
  expect(sessions[session]?.transactions.length).toBe(601);
});
