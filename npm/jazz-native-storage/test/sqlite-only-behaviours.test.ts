/**
 * The behaviours behind the nine tests of cojson that drive its SQLite client, and so cannot run on another storage: writes
 * one after the other (four), an erase that is interrupted, known states read once and cached (two), loads that are
 * snapshots (two).
 */
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { NativeStorage } from "../src/generated/native.js";
import type { Flavour, JazzNativeStorage } from "../src/index.js";
import {
  coValueIds,
  drain,
  FLAVOURS,
  HEADER,
  load,
  loadKnownState,
  loadWhole,
  type Message,
  message,
  open,
  SESSION,
  secret,
  silence,
  single,
  store,
  temporaryDirectory,
  trusting,
} from "./support.js";

const ID = "co_zValue";

function nativeOf(storage: JazzNativeStorage): NativeStorage {
  return (storage as unknown as { native: NativeStorage }).native;
}

function openAt(path: string, flavour: Flavour) {
  return open({ path, flavour });
}

describe("W-9: writes of one session", () => {
  test("from many calls at once are stored one after the other", async () => {
    const storage = await openAt(join(temporaryDirectory(), "store"), "async");
    const stored = Array.from({ length: 500 }, (_, i) =>
      store(storage, single(ID, [secret(`${i}`)], i === 0 ? HEADER : undefined, i)),
    );
    await Promise.all(stored);
    const { sessions } = await loadWhole(storage, ID);
    expect(sessions[SESSION]?.transactions).toEqual(Array.from({ length: 500 }, (_, i) => secret(`${i}`)));
  });

  test("go on after one that fails", async () => {
    const errors = silence("error");
    const storage = await openAt(join(temporaryDirectory(), "store"), "async");
    const first = store(storage, single(ID, [secret("1")], HEADER));
    storage.store(
      single("", [secret("x")], HEADER),
      () => undefined,
      () => expect.fail("an empty id was stored"),
    );
    await Promise.all([first, store(storage, single(ID, [secret("2")], undefined, 1))]);
    expect((await loadWhole(storage, ID)).sessions[SESSION]?.transactions.length).toBe(2);
    expect(errors).toHaveBeenCalledTimes(1);
    expect(await coValueIds(storage)).toEqual([ID]);
  });

  test.each(FLAVOURS)(
    "a message that fails half-way leaves no transaction to get in the way of the next (%s)",
    async (flavour) => {
      silence("error");
      const storage = await openAt(join(temporaryDirectory(), "store"), flavour);
      await store(storage, single(ID, [secret("1")], HEADER));
      const broken = message(ID, {
        [SESSION]: { after: 1, transactions: [secret("of the broken message")] },
        "": { transactions: [secret("of a session without a name")] },
      });
      try {
        storage.store(
          broken,
          () => undefined,
          () => expect.fail("a broken message was stored"),
        );
      } catch (error) {
        expect(error).toMatchObject({ code: "EMPTY_ID" });
      }
      await storage.flush();
      await store(storage, single(ID, [secret("2")], undefined, 1));
      expect((await loadWhole(storage, ID)).sessions[SESSION]?.transactions).toEqual([
        secret("1"),
        secret("2"),
      ]);
    },
  );

  test.each(FLAVOURS)("a chunk signature of a refused message is not there either (%s)", async (flavour) => {
    silence("error");
    const storage = await openAt(join(temporaryDirectory(), "store"), flavour);
    await store(storage, single(ID, [trusting("[]")], HEADER));
    const large = trusting("x".repeat(200_000));
    const broken = message(ID, {
      [SESSION]: { after: 1, transactions: [large] },
      "": { transactions: [large] },
    });
    try {
      storage.store(broken, () => undefined);
    } catch (error) {
      expect(error).toMatchObject({ code: "EMPTY_ID" });
    }
    await storage.flush();
    await store(storage, single(ID, [trusting("[]")], undefined, 1));
    const { messages } = await load(storage, ID);
    expect(messages.length).toBe(1);
    expect(messages[0]?.expectContentUntil).toBeUndefined();
  });
});

describe("D-8: a load or store interrupts a running erase between values", () => {
  const ids = ["co_zA", "co_zB", "co_zC", "co_zD"];

  async function withDeletedValues() {
    const storage = await openAt(join(temporaryDirectory(), "store"), "async");
    for (const id of ids) {
      await store(storage, single(id, [secret("history")], HEADER));
      storage.markDeleteAsValid(id as "co_zA");
      await store(storage, message(id, { s_session_d1$: { transactions: [trusting("[]")] } }));
    }
    expect(await storage.pendingDeletions()).toEqual(ids);
    return storage;
  }

  test.each([
    ["load", (storage: JazzNativeStorage) => load(storage, "co_zD")],
    ["store", (storage: JazzNativeStorage) => store(storage, single("co_zNew", [secret("new")], HEADER))],
  ])("%s", async (_name, interrupt) => {
    const storage = await withDeletedValues();
    const native = nativeOf(storage);
    const erase = native.eraseAsync.bind(native);
    let interrupted: Promise<unknown> | undefined;
    // The interruption comes while the first value is being erased.
    native.eraseAsync = (id) => {
      interrupted ??= interrupt(storage);
      return erase(id);
    };
    await storage.eraseAllDeletedCoValues();
    await interrupted;
    expect(await storage.pendingDeletions()).toEqual(ids.slice(1));
    expect(Object.keys((await loadWhole(storage, "co_zA")).sessions)).toEqual(["s_session_d1$"]);
    expect(Object.keys((await loadWhole(storage, "co_zD")).sessions).length).toBe(2);

    native.eraseAsync = erase;
    await storage.eraseAllDeletedCoValues();
    expect(await storage.pendingDeletions()).toEqual([]);
    for (const id of ids)
      expect(await loadKnownState(storage, id)).toEqual({ id, header: true, sessions: { s_session_d1$: 1 } });
  });
});

describe("K-6 and K-7: known states", () => {
  async function withStoredValue() {
    const path = join(temporaryDirectory(), "store");
    const writer = await openAt(path, "sync");
    await store(writer, single(ID, [secret("1"), secret("2")], HEADER));
    const storage = await openAt(path, "async");
    const reads = vi.spyOn(nativeOf(storage), "knownStateAsync");
    return { storage, reads, writer };
  }

  const EXPECTED = { id: ID, header: true, sessions: { [SESSION]: 2 } };

  test("questions at once share one read, and its result is the known state", async () => {
    const { storage, reads } = await withStoredValue();
    const answers = await Promise.all([1, 2, 3].map(() => loadKnownState(storage, ID)));
    expect(answers).toEqual([EXPECTED, EXPECTED, EXPECTED]);
    expect(reads).toHaveBeenCalledTimes(1);
    expect(storage.getKnownState(ID)).toEqual(EXPECTED);
  });

  test("a known state that was read is given at once, as the live object", async () => {
    const { storage, reads } = await withStoredValue();
    expect(await loadKnownState(storage, ID)).toEqual(EXPECTED);
    for (let i = 0; i < 2; i++) {
      let answer: unknown;
      storage.loadKnownState(ID, (knownState) => {
        answer = knownState;
      });
      expect(answer).toBe(storage.getKnownState(ID));
    }
    expect(reads).toHaveBeenCalledTimes(1);
  });

  test("so is one that was loaded, until the value is unmounted", async () => {
    const { storage, reads } = await withStoredValue();
    await load(storage, ID);
    expect(await loadKnownState(storage, ID)).toEqual(EXPECTED);
    expect(reads).toHaveBeenCalledTimes(0);
    storage.onCoValueUnmounted(ID);
    expect(storage.getKnownState(ID)).toEqual({ id: ID, header: false, sessions: {} });
    expect(await loadKnownState(storage, ID)).toEqual(EXPECTED);
    expect(reads).toHaveBeenCalledTimes(1);
  });

  test("K-9: what this object only wrote a part of is read, not answered from what it wrote", async () => {
    const { storage, reads } = await withStoredValue();
    await store(storage, message(ID, { other: { transactions: [secret("3")] } }));
    expect(storage.getKnownState(ID).sessions).toEqual({ other: 1 });
    expect(await loadKnownState(storage, ID)).toEqual({ ...EXPECTED, sessions: { [SESSION]: 2, other: 1 } });
    expect(reads).toHaveBeenCalledTimes(1);
  });

  test("K-10: a read that ends after a store does not take the known state back", async () => {
    const { storage } = await withStoredValue();
    const native = nativeOf(storage);
    const read = native.knownStateAsync.bind(native);
    native.knownStateAsync = async (id) => {
      const bytes = await read(id);
      await store(storage, single(ID, [secret("3")], undefined, 2));
      return bytes;
    };
    expect((await loadKnownState(storage, ID))?.sessions).toEqual({ [SESSION]: 3 });
    expect(storage.getKnownState(ID).sessions).toEqual({ [SESSION]: 3 });
  });
});

describe("L-14: a load is a snapshot", () => {
  const transactions = Array.from({ length: 40 }, (_, i) => trusting(`${i}`.padStart(20_000, "x")));

  async function withLargeValue(flavour: Flavour) {
    const path = join(temporaryDirectory(), "store");
    const storage = await openAt(path, flavour);
    for (const [i, transaction] of transactions.entries()) {
      await store(storage, single(ID, [transaction], i === 0 ? HEADER : undefined, i));
    }
    const other = await openAt(path, flavour);
    return { storage: other, writer: storage };
  }

  test("sync: what another handle appends while pieces are streamed is not in them", async () => {
    const { storage, writer } = await withLargeValue("sync");
    const messages: Message[] = [];
    await storage.load(ID, (content) => messages.push(content));
    expect(messages.length).toBe(1);
    await store(writer, single(ID, [trusting("later")], undefined, 40));
    drain(storage);
    expect(messages.length).toBeGreaterThan(5);
    const served = messages.flatMap((each) => each.new[SESSION]?.newTransactions ?? []);
    expect(served).toEqual(transactions);
    const last = messages.at(-1)?.new[SESSION];
    expect(last?.lastSignature).toBe("signature_z40");
  });

  test("async: a write between the read and the delivery is not in it, nor taken back by it", async () => {
    const { storage, writer } = await withLargeValue("async");
    const native = nativeOf(storage);
    const read = native.loadAsync.bind(native);
    native.loadAsync = async (id, budget) => {
      const bytes = await read(id, budget);
      await store(storage, single(ID, [trusting("later")], undefined, 40));
      return bytes;
    };
    const { messages } = await load(storage, ID);
    native.loadAsync = read;
    const served = messages.flatMap((each) => each.new[SESSION]?.newTransactions ?? []);
    expect(served).toEqual(transactions);
    expect(messages.at(-1)?.new[SESSION]?.lastSignature).toBe("signature_z40");
    expect(storage.getKnownState(ID).sessions).toEqual({ [SESSION]: 41 });
    expect((await loadWhole(writer, ID)).sessions[SESSION]?.transactions.length).toBe(41);
  });
});
