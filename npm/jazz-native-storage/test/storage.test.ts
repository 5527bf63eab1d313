/** Rules of a StorageAPI that cojson's own tests do not pin down, in both flavours. Ids in titles are those of the rules. */
import { join } from "node:path";
import { cojsonInternals, type RawCoID } from "cojson";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Flavour, JazzNativeStorage } from "../src/index.js";
import {
  assemble,
  coValueIds,
  drain,
  FLAVOURS,
  GROUP_HEADER,
  HEADER,
  load,
  loadKnownState,
  loadWhole,
  type Message,
  message,
  open,
  ownedBy,
  SESSION,
  secret,
  silence,
  single,
  store,
  temporaryDirectory,
  trusting,
} from "./support.js";

const ID = "co_zValue";

function openNew(flavour: Flavour) {
  return open({ path: join(temporaryDirectory(), "store"), flavour });
}

/** Whether `done` was called, and how often, once all that is queued is stored. */
async function attempt(
  storage: JazzNativeStorage,
  content: Message,
  correction: () => Message[] | undefined,
) {
  let done = 0;
  storage.store(content, correction, () => {
    done++;
  });
  await storage.flush();
  return done;
}

const { TRANSACTION_CONFIG } = cojsonInternals;
const THRESHOLD = TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE;
afterEach(() => {
  TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE = THRESHOLD;
});

describe.each(FLAVOURS)("%s: store", (flavour) => {
  test("Q-1: done once, and not within the call in the async flavour (F-2)", async () => {
    const storage = await openNew(flavour);
    let done = 0;
    storage.store(
      single(ID, [secret("1")], HEADER),
      () => undefined,
      () => {
        done++;
      },
    );
    expect(done).toBe(flavour === "sync" ? 1 : 0);
    await storage.flush();
    expect(done).toBe(1);
  });

  test("W-3: a session with a gap is left out, the others are stored, one correction is asked for after them", async () => {
    const storage = await openNew(flavour);
    await store(storage, single(ID, [secret("1")], HEADER));
    const asked: unknown[] = [];
    const content = message(ID, {
      a: { transactions: [secret("a")] },
      [SESSION]: { after: 3, transactions: [secret("4")] },
      b: { transactions: [secret("b")] },
      c: { after: 1, transactions: [secret("c")] },
    });
    let done = 0;
    storage.store(
      content,
      (knownState) => {
        asked.push(structuredClone(knownState));
        return [
          single(ID, [secret("2"), secret("3"), secret("4")], undefined, 1),
          message(ID, { c: { transactions: [secret("c0"), secret("c")] } }),
        ];
      },
      () => {
        done++;
      },
    );
    await storage.flush();
    expect(asked).toEqual([{ id: ID, header: true, sessions: { [SESSION]: 1, a: 1, b: 1 } }]);
    expect(done).toBe(1);
    const expected = { [SESSION]: 4, a: 1, b: 1, c: 2 };
    expect(storage.getKnownState(ID).sessions).toEqual(expected);
    expect((await loadKnownState(storage, ID))?.sessions).toEqual(expected);
  });

  test("W-4: a stale message changes neither content nor signature", async () => {
    const storage = await openNew(flavour);
    await store(storage, single(ID, [secret("1"), secret("2")], HEADER));
    await store(
      storage,
      message(ID, { [SESSION]: { transactions: [secret("1")], signature: "signature_zStale" } }),
    );
    await store(
      storage,
      message(ID, { [SESSION]: { transactions: [secret("1"), secret("2"), secret("3")] } }),
    );
    expect((await loadWhole(storage, ID)).sessions[SESSION]).toEqual({
      transactions: [secret("1"), secret("2"), secret("3")],
      signature: "signature_z3",
    });
  });

  test("C-4, C-5, C-6: a correction that does not come, or needs one itself, fails the store", async () => {
    const errors = silence("error");
    const storage = await openNew(flavour);
    expect(await attempt(storage, single(ID, [secret("2")], undefined, 1), () => undefined)).toBe(0);
    expect(errors.mock.calls.map(([text]) => text)).toEqual(["Correction callback returned undefined"]);

    errors.mockClear();
    const good = single("co_zGood", [secret("1")], HEADER);
    const wrong = single(ID, [secret("5")], undefined, 4);
    const after = single("co_zAfter", [secret("1")], HEADER);
    expect(await attempt(storage, single(ID, [secret("2")], undefined, 1), () => [good, wrong, after])).toBe(
      0,
    );
    expect(errors.mock.calls.map(([text]) => text)).toEqual([
      "Double correction requested",
      "Correction callback returned undefined",
    ]);
    expect(errors.mock.calls[0]?.[1]).toMatchObject({ msg: wrong });
    expect(await coValueIds(storage)).toEqual(["co_zGood"]);
  });

  test("a correction of a thousand messages is stored in order, before what was queued", async () => {
    const storage = await openNew(flavour);
    const correction = Array.from({ length: 1000 }, (_, i) =>
      single(ID, [secret(`${i}`)], i ? undefined : HEADER, i),
    );
    const calls: string[] = [];
    storage.store(
      single(ID, [secret("999")], undefined, 999),
      () => correction,
      () => calls.push("first"),
    );
    storage.store(
      single(ID, [secret("1000")], undefined, 1000),
      () => expect.fail("the correction was not stored first"),
      () => calls.push("second"),
    );
    await storage.flush();
    expect(calls).toEqual(["first", "second"]);
    expect((await loadWhole(storage, ID)).sessions[SESSION]?.transactions.length).toBe(1001);
  });

  test("Z-3: a callback that throws fails its message only", async () => {
    silence("error");
    const storage = await openNew(flavour);
    const throwing = () => {
      storage.store(single(ID, [secret("2")], undefined, 1), () => {
        throw new Error("from the callback");
      });
    };
    if (flavour === "sync") expect(throwing).toThrow("from the callback");
    else throwing();
    await storage.flush();
    expect(await coValueIds(storage)).toEqual([]);
    await store(storage, single(ID, [secret("1")], HEADER));
    await expect(
      storage.load(ID, () => {
        throw new Error("from the callback");
      }),
    ).rejects.toThrow("from the callback");
    expect((await loadWhole(storage, ID)).sessions[SESSION]?.transactions).toEqual([secret("1")]);
  });

  test("Z-3: a value whose callback threw does not count as delivered", async () => {
    silence("error");
    const path = join(temporaryDirectory(), "store");
    const writer = await open({ path, flavour });
    await store(writer, message("co_zGroup", {}, GROUP_HEADER));
    await store(writer, message(ID, {}, ownedBy("co_zGroup")));
    const storage = await open({ path, flavour });
    await expect(
      storage.load("co_zGroup", () => {
        throw new Error("from the callback");
      }),
    ).rejects.toThrow("from the callback");
    const delivered = (await load(storage, ID)).messages.map((each) => each.id);
    expect(delivered).toEqual(["co_zGroup", ID]);
  });

  test("W-6, W-7, F-7: chunks are cut by UTF-16 units, by the size configured now, across reopening", async () => {
    const path = join(temporaryDirectory(), "store");
    const units = "é😀".repeat(10);
    TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE = units.length * 3;
    for (let i = 0; i < 12; i++) {
      const storage = await open({ path, flavour });
      await store(storage, single(ID, [trusting(units)], i ? undefined : HEADER, i));
      await storage.close();
    }
    const storage = await open({ path, flavour });
    const cuts = async () =>
      (await load(storage, ID)).messages.map((each) => each.new[SESSION]?.newTransactions.length);
    expect(await cuts()).toEqual([4, 4, 4]);
    TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE = 1;
    await store(storage, single(ID, [trusting(units)], undefined, 12));
    await store(storage, single(ID, [trusting(units)], undefined, 13));
    expect(await cuts()).toEqual([4, 4, 4, 1, 1]);
  });
});

describe.each(FLAVOURS)("%s: load", (flavour) => {
  test("O-2, O-3: the messages of a value with several sessions, some of several pieces", async () => {
    const storage = await openNew(flavour);
    TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE = 10;
    const large = trusting("x".repeat(11));
    const small = trusting("y");
    await store(storage, message(ID, { s1: { transactions: [small] } }, HEADER));
    for (let i = 0; i < 3; i++)
      await store(storage, message(ID, { l1: { after: i, transactions: [large] } }));
    await store(storage, message(ID, { s2: { transactions: [small] } }));
    for (let i = 0; i < 2; i++)
      await store(storage, message(ID, { l2: { after: i, transactions: [large] } }));
    await store(
      storage,
      message(ID, { l2: { after: 2, transactions: [small] }, s3: { transactions: [small] } }),
    );
    const { messages } = await load(storage, ID);
    const shape = messages.map((each) =>
      Object.fromEntries(
        Object.entries(each.new).map(([id, part]) => [id, [part.after, part.newTransactions.length]]),
      ),
    );
    expect(shape).toEqual(
      flavour === "sync"
        ? [
            { s1: [0, 1], l1: [0, 1], s2: [0, 1], l2: [0, 1], s3: [0, 1] },
            { l1: [1, 1] },
            { l1: [2, 1] },
            { l2: [1, 1] },
            { l2: [2, 1] },
          ]
        : [
            { s1: [0, 1], l1: [0, 1] },
            { l1: [1, 1] },
            { l1: [2, 1] },
            { s2: [0, 1], l2: [0, 1] },
            { l2: [1, 1] },
            { l2: [2, 1] },
            { s3: [0, 1] },
          ],
    );
    expect(messages[0]?.expectContentUntil).toEqual({ s1: 1, l1: 3, s2: 1, l2: 3, s3: 1 });
    for (const each of messages.slice(1)) expect(each.expectContentUntil).toBeUndefined();
    for (const each of messages) expect(each.header).toEqual(HEADER);
    expect(messages.map((each) => each.new).every((parts) => signaturesFit(parts))).toBe(true);
  });

  test("L-5, L-7: dependencies first, each once, cycles included, none that is not stored (L-8)", async () => {
    const storage = await openNew(flavour);
    const names = (...parents: string[]) =>
      trusting(
        JSON.stringify(parents.map((parent) => ({ op: "set", key: `parent_${parent}`, value: "extend" }))),
      );
    await store(storage, single("co_zGrandparent", [names("co_zGroup")], GROUP_HEADER));
    await store(storage, single("co_zParent", [names("co_zGrandparent", "co_zMissing")], GROUP_HEADER));
    await store(storage, single("co_zGroup", [names("co_zParent")], GROUP_HEADER));
    await store(storage, single("co_zAuthor", [trusting("[]")], GROUP_HEADER));
    const content = { co_zAuthor_session_z1: { transactions: [secret("1")] } };
    await store(storage, message(ID, content, ownedBy("co_zGroup")));
    for (const id of ["co_zGrandparent", "co_zParent", "co_zGroup", "co_zAuthor", ID]) {
      storage.onCoValueUnmounted(id as RawCoID);
    }
    const ids = async (id: string) => (await load(storage, id)).messages.map((each) => each.id);
    const order = ["co_zGrandparent", "co_zParent", "co_zGroup", "co_zAuthor", ID];
    expect(await ids(ID)).toEqual(order);
    expect(await ids(ID)).toEqual([ID]);
    storage.onCoValueUnmounted("co_zParent");
    storage.onCoValueUnmounted("co_zAuthor");
    expect(await ids(ID)).toEqual(["co_zAuthor", ID]);
    storage.onCoValueUnmounted("co_zGroup");
    expect(await ids(ID)).toEqual(["co_zParent", "co_zGroup", ID]);
  });

  test("a chain of 20,000 dependencies", { timeout: 120_000 }, async () => {
    const storage = await openNew(flavour);
    const last = 20_000;
    const stored: Promise<void>[] = [];
    for (let i = 0; i <= last; i++) {
      const header = i === 0 ? GROUP_HEADER : ownedBy(`co_z${i - 1}`);
      stored.push(store(storage, message(`co_z${i}`, {}, header)));
    }
    await Promise.all(stored);
    for (let i = 0; i <= last; i++) storage.onCoValueUnmounted(`co_z${i}`);
    const { messages } = await load(storage, `co_z${last}`);
    expect(messages.map((each) => each.id)).toEqual(Array.from({ length: last + 1 }, (_, i) => `co_z${i}`));
  });

  test("a group of 3,000 members", async () => {
    const storage = await openNew(flavour);
    const members = Array.from({ length: 3000 }, (_, i) => `co_zMember${i}`);
    const changes = JSON.stringify(members.map((key) => ({ op: "set", key, value: "reader" })));
    await Promise.all(members.map((id) => store(storage, single(id, [trusting("[]")], GROUP_HEADER))));
    await store(storage, single("co_zGroup", [trusting(changes)], GROUP_HEADER));
    for (const id of members) storage.onCoValueUnmounted(id as RawCoID);
    const { messages } = await load(storage, "co_zGroup");
    expect(messages.map((each) => each.id)).toEqual([...members, "co_zGroup"]);
  });

  test("values far beyond the byte budget of a read come whole, in pieces that fit", {
    timeout: 120_000,
  }, async () => {
    const storage = await openNew(flavour);
    const pieces = 80;
    const large = (i: number) => trusting(`${i}`.padStart(1 << 20, "x"));
    for (let i = 0; i < pieces; i++) await store(storage, single(ID, [large(i)], i ? undefined : HEADER, i));
    const { found, messages } = await load(storage, ID);
    expect(found).toBe(true);
    expect(messages.length).toBe(pieces);
    const { sessions } = assemble(messages, ID);
    expect(sessions[SESSION]?.signature).toBe(`signature_z${pieces}`);
    expect(
      sessions[SESSION]?.transactions.every((each, i) => JSON.stringify(each) === JSON.stringify(large(i))),
    ).toBe(true);
    expect(messages.every((each) => signaturesFit(each.new))).toBe(true);
  });

  test("D-9, D-10: an erase while a value is streamed ends the load without empty pieces", async () => {
    const path = join(temporaryDirectory(), "store");
    const storage = await open({ path, flavour });
    const other = await open({ path, flavour });
    const transaction = trusting("x".repeat(1 << 20));
    for (let i = 0; i < 60; i++) await store(storage, single(ID, [transaction], i ? undefined : HEADER, i));
    storage.markDeleteAsValid(ID);
    await store(storage, message(ID, { s_session_d1$: { transactions: [trusting("[]")] } }));
    const messages: Message[] = [];
    let erased: Promise<void> | undefined;
    let found: boolean | undefined;
    await storage.load(
      ID,
      (content) => {
        messages.push(content);
        erased ??= other.eraseAllDeletedCoValues();
      },
      (it) => {
        found = it;
      },
    );
    await erased;
    drain(storage);
    expect(found).toBe(true);
    // The sync flavour reads pieces when they are asked for, and after the first of them there are none.
    if (flavour === "sync") expect(messages.length).toBe(1);
    else expect(messages.length).toBeGreaterThan(1);
    const parts = messages.flatMap((each) => Object.values(each.new));
    expect(parts.every((part) => part.newTransactions.length > 0)).toBe(true);
    expect(messages.every((each) => signaturesFit(each.new))).toBe(true);
    expect(Object.keys((await loadWhole(other, ID)).sessions)).toEqual(["s_session_d1$"]);
  });
});

/** Signatures in these tests tell the counter they are valid after. */
function signaturesFit(parts: Message["new"]): boolean {
  return Object.values(parts).every(
    (part) => part.lastSignature === `signature_z${part.after + part.newTransactions.length}`,
  );
}

describe.each(FLAVOURS)("%s: deletes", (flavour) => {
  test("D-2, D-5, D-6: queued only if valid; erased to the tombstone, also for another handle", async () => {
    const path = join(temporaryDirectory(), "store");
    const storage = await open({ path, flavour });
    const other = await open({ path, flavour });
    const mark = { s_session_d1$: { transactions: [trusting("[]")] } };
    for (const id of ["co_zValid", "co_zInvalid"]) {
      await store(storage, single(id, [secret("1")], HEADER));
      if (id === "co_zValid") storage.markDeleteAsValid(id);
      await store(storage, message(id, mark));
    }
    expect(await other.pendingDeletions()).toEqual(["co_zValid"]);
    await other.eraseAllDeletedCoValues();
    expect(await storage.pendingDeletions()).toEqual([]);
    for (const each of [storage, other]) {
      expect(Object.keys((await loadWhole(each, "co_zValid")).sessions)).toEqual(["s_session_d1$"]);
      expect(Object.keys((await loadWhole(each, "co_zInvalid")).sessions).length).toBe(2);
    }
    expect(await coValueIds(storage)).toEqual(["co_zValid", "co_zInvalid"]);
  });

  test("E-1, E-3, E-5: the scheduler runs a second after it is enabled, and again after close and enabling", async () => {
    const storage = await openNew(flavour);
    const bury = async (id: RawCoID) => {
      await store(storage, single(id, [secret("1")], HEADER));
      storage.markDeleteAsValid(id);
      await store(storage, message(id, { s_session_d1$: { transactions: [trusting("[]")] } }));
    };
    await bury("co_zFirst");
    storage.enableDeletedCoValuesErasure();
    expect(await storage.pendingDeletions()).toEqual(["co_zFirst"]);
    await vi.waitFor(async () => expect(await storage.pendingDeletions()).toEqual([]), 3000);
    if (flavour === "async") return;
    await bury("co_zSecond");
    storage.close();
    storage.enableDeletedCoValuesErasure();
    await vi.waitFor(async () => expect(await storage.pendingDeletions()).toEqual([]), 3000);
  });
});

test.runIf(FLAVOURS.includes("sync"))(
  "E-7: a scheduled erase of the sync flavour stops after 100 ms, and goes on a second later",
  async () => {
    const storage = await openNew("sync");
    const bury = async (id: RawCoID) => {
      await store(storage, single(id, [secret("1")], HEADER));
      storage.markDeleteAsValid(id);
      await store(storage, message(id, { s_session_d1$: { transactions: [trusting("[]")] } }));
    };
    for (const id of ["co_zA", "co_zB", "co_zC"] as const) await bury(id);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let now = 0;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => {
      now += 60;
      return now;
    });
    try {
      storage.enableDeletedCoValuesErasure();
      for (const left of [["co_zB", "co_zC"], ["co_zC"], []]) {
        await vi.advanceTimersByTimeAsync(1000);
        expect(await storage.pendingDeletions()).toEqual(left);
      }
      for (const id of ["co_zD", "co_zE", "co_zF"] as const) await bury(id);
      await storage.eraseAllDeletedCoValues();
      expect(await storage.pendingDeletions()).toEqual([]);
    } finally {
      clock.mockRestore();
      vi.useRealTimers();
    }
  },
);

describe.each(FLAVOURS)("%s: close", (flavour) => {
  test("X-1, X-5, X-6: twice, and everything but an async store works afterwards", async () => {
    const storage = await openNew(flavour);
    await store(storage, single(ID, [secret("1")], HEADER));
    await storage.close();
    await storage.close();
    expect(storage.getKnownState(ID)).toEqual({ id: ID, header: false, sessions: {} });
    expect((await loadWhole(storage, ID)).sessions[SESSION]?.transactions).toEqual([secret("1")]);
    await new Promise<void>((done) =>
      storage.trackCoValuesSyncState([{ id: ID, peerId: "peer" as never, synced: false }], done),
    );
    expect(await new Promise((answer) => storage.getUnsyncedCoValueIDs(answer))).toEqual([ID]);
    expect(await attempt(storage, single(ID, [secret("2")], undefined, 1), () => undefined)).toBe(
      flavour === "sync" ? 1 : 0,
    );
  });

  test("X-3a: what is queued when it is called is stored, unless it needs a correction", async () => {
    const storage = await openNew(flavour);
    const done: string[] = [];
    for (let i = 0; i < 300; i++) {
      storage.store(
        single(`co_z${i}`, [secret("1")], HEADER),
        () => undefined,
        () => done.push(`co_z${i}`),
      );
    }
    if (flavour === "async") {
      storage.store(single("co_zLacking", [secret("2")], undefined, 1), () =>
        expect.fail("a correction was asked for"),
      );
    }
    await storage.close();
    expect(done).toEqual(Array.from({ length: 300 }, (_, i) => `co_z${i}`));
    expect((await coValueIds(storage)).length).toBe(300);
  });

  test("Y-7: those who wait for something to be stored are released", async () => {
    const storage = await openNew(flavour);
    const coValue = {
      knownState: () => ({ id: ID, header: true, sessions: { [SESSION]: 1 } }),
      subscribe: () => () => {},
    };
    const waiting = storage.waitForSync(ID, coValue as never);
    await storage.close();
    await waiting;
  });
});

describe.each(FLAVOURS)("%s: ids, tracking and locks", (flavour) => {
  test("I-1 to I-5: pages are full, in the order of creation, erased values included", async () => {
    const storage = await openNew(flavour);
    const ids = Array.from({ length: 250 }, (_, i) => `co_z${(i * 7919) % 250}`);
    await Promise.all(ids.map((id) => store(storage, single(id, [secret("1")], HEADER))));
    const page = (limit: number, offset: number) =>
      new Promise<string[]>((answer) =>
        storage.getCoValueIDs(limit, offset, (batch) => answer(batch.map(({ id }) => id))),
      );
    for (let offset = 0; offset < 300; offset += 100) {
      expect(await page(100, offset)).toEqual(ids.slice(offset, offset + 100));
    }
    expect(await page(0, 0)).toEqual([]);
    expect(await new Promise((answer) => storage.getCoValueCount(answer))).toBe(250);
  });

  test("T-1 to T-4: a set of pairs, persistent, forgotten value by value, in the order of the calls", async () => {
    const path = join(temporaryDirectory(), "store");
    const storage = await open({ path, flavour });
    const track = (...updates: [RawCoID, string, boolean][]) =>
      new Promise<void>((done) =>
        storage.trackCoValuesSyncState(
          updates.map(([id, peerId, synced]) => ({ id, peerId: peerId as never, synced })),
          done,
        ),
      );
    const unsynced = (each: JazzNativeStorage) => new Promise((answer) => each.getUnsyncedCoValueIDs(answer));
    await track(
      ["co_zA", "p1", false],
      ["co_zA", "p2", false],
      ["co_zB", "any", false],
      ["co_zC", "p1", true],
    );
    await track();
    await track(["co_zA", "p1", true], ["co_zA", "p1", true]);
    expect(new Set((await unsynced(storage)) as string[])).toEqual(new Set(["co_zA", "co_zB"]));
    storage.stopTrackingSyncState("co_zB");
    const tracked = track(["co_zB", "p1", false]);
    storage.stopTrackingSyncState("co_zA");
    await tracked;
    await storage.close();
    expect(await unsynced(await open({ path, flavour }))).toEqual(["co_zB"]);
  });

  test("R-1 to R-10: the lock, decided by the clock of JavaScript, over two handles", async () => {
    const path = join(temporaryDirectory(), "store");
    const [a, b] = [await open({ path, flavour }), await open({ path, flavour })];
    const { LOCK_TTL_MS, RECONCILIATION_INTERVAL_MS } = cojsonInternals.STORAGE_RECONCILIATION_CONFIG;
    let now = 1_700_000_000_000;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now);
    const peer = "peer" as never;
    const sessions = { a: "sealer_zA/signer_zA_session_z1", b: "sealer_zB/signer_zB_session_z1" } as const;
    const acquire = (storage: JazzNativeStorage, session: "a" | "b") =>
      new Promise((answer) => storage.tryAcquireStorageReconciliationLock(sessions[session], peer, answer));
    try {
      const granted = (lastProcessedOffset: number) => ({ acquired: true, lastProcessedOffset });
      expect(await acquire(a, "a")).toEqual(granted(0));
      expect(await acquire(b, "b")).toEqual({ acquired: false, reason: "lock_held" });
      a.renewStorageReconciliationLock(sessions.a, peer, 300);
      a.renewStorageReconciliationLock(sessions.b, peer, 700);
      expect(await acquire(a, "a")).toEqual(granted(300));
      now += LOCK_TTL_MS;
      expect(await acquire(b, "b")).toEqual({ acquired: false, reason: "lock_held" });
      now += 1;
      expect(await acquire(b, "b")).toEqual(granted(300));
      b.releaseStorageReconciliationLock(sessions.a, peer);
      b.releaseStorageReconciliationLock(sessions.b, peer);
      expect(await acquire(b, "b")).toEqual({ acquired: false, reason: "not_due" });
      now += RECONCILIATION_INTERVAL_MS;
      expect(await acquire(a, "a")).toEqual(granted(0));
      expect(
        await new Promise((answer) =>
          a.tryAcquireStorageReconciliationLock(sessions.a, "other" as never, answer),
        ),
      ).toEqual(granted(0));
    } finally {
      clock.mockRestore();
    }
  });
});

describe("two handles on one path", () => {
  test.each(FLAVOURS)(
    "H-1 to H-3: what one has stored the other reads, and appends to (%s)",
    async (flavour) => {
      const path = join(temporaryDirectory(), "store");
      const [a, b] = [
        await open({ path, flavour }),
        await open({ path, flavour: FLAVOURS.find((other) => other !== flavour) ?? flavour }),
      ];
      await store(a, single(ID, [secret("1")], HEADER));
      await store(b, single(ID, [secret("2")], undefined, 1));
      await store(a, single(ID, [secret("3")], undefined, 2));
      for (const each of [a, b]) {
        expect((await loadWhole(each, ID)).sessions[SESSION]?.transactions).toEqual(
          [1, 2, 3].map((i) => secret(`${i}`)),
        );
      }
      await a.close();
      await store(b, single(ID, [secret("4")], undefined, 3));
      expect((await loadWhole(a, ID)).sessions[SESSION]?.transactions.length).toBe(4);
    },
  );

  test("appends of both to one session never fork it", async () => {
    const path = join(temporaryDirectory(), "store");
    const [a, b] = [await open({ path, flavour: "async" }), await open({ path, flavour: "async" })];
    await store(a, single(ID, [secret("0")], HEADER));
    let corrections = 0;
    const append = (storage: JazzNativeStorage, name: string, after: number) =>
      new Promise<void>((resolve) =>
        storage.store(
          single(ID, [secret(`${name}${after}`)], undefined, after),
          () => {
            corrections++;
            resolve();
            return undefined;
          },
          resolve,
        ),
      );
    const errors = silence("error");
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => [append(a, "a", i + 1), append(b, "b", i + 1)]).flat(),
    );
    const { sessions } = await loadWhole(a, ID);
    const { transactions, signature } = sessions[SESSION] ?? { transactions: [], signature: "" };
    const indexes = transactions.map((each) =>
      Number.parseInt(JSON.stringify(each).replace(/.*_U[ab]?(\d+).*/, "$1"), 10),
    );
    expect(indexes).toEqual(Array.from({ length: transactions.length }, (_, i) => i));
    expect(signature).toBe(`signature_z${transactions.length}`);
    expect(errors.mock.calls.length).toBe(corrections);
    expect((await loadWhole(b, ID)).sessions).toEqual(sessions);
  });
});
