/** What is stored comes back as it was, in both flavours, in this process and the next. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask } from "./processes.js";
import {
  assemble,
  drain,
  FLAVOURS,
  HEADER,
  type Header,
  load,
  loadKnownState,
  loadWhole,
  type Message,
  message,
  open,
  SESSION,
  secret,
  single,
  store,
  temporaryDirectory,
  trusting,
} from "./support.js";

const ID = "co_zRoundTrip";

describe.each(FLAVOURS)("%s", (flavour) => {
  test("a value comes back in a new handle and in a new process", async () => {
    const path = join(temporaryDirectory(), "store");
    const first = await open({ path, flavour });
    const transactions = [
      secret("a"),
      secret("b"),
      trusting('[{"op":"set"}]'),
      trusting("[]", { meta: "m" }),
      secret("c", "key_z2"),
    ];
    await store(first, single(ID, transactions, HEADER));
    await store(first, single(ID, [secret("d", "key_z2")], undefined, 5));
    await first.close();

    const second = await open({ path, flavour });
    const { header, sessions } = await loadWhole(second, ID);
    expect(JSON.stringify(header)).toBe(JSON.stringify(HEADER));
    const expected = [...transactions, secret("d", "key_z2")];
    expect(JSON.stringify(Object.values(sessions)[0])).toBe(
      JSON.stringify({ transactions: expected, signature: "signature_z6" }),
    );
    await second.close();

    const { loaded } = await ask({ do: "load", id: ID, options: { path, flavour } });
    const [content] = loaded as { new: Record<string, { newTransactions: unknown }> }[];
    expect(JSON.stringify(Object.values(content?.new ?? {})[0]?.newTransactions)).toBe(
      JSON.stringify(expected),
    );
  });

  test("lone surrogates, text beyond ASCII and null characters, everywhere", async () => {
    const odd = "\ud800 é € 😀 \udfff\ud83d \0 \ufffd \ufeff";
    const storage = await open({
      path: join(temporaryDirectory(), odd.replaceAll(/[\0\ud800-\udfff]/g, "")),
      flavour,
    });
    const id = `co_z${odd}`;
    const session = `${odd}_session_z${odd}`;
    const header = { ...HEADER, meta: { [odd]: odd } } as unknown as Header;
    const transactions = [
      trusting(odd, { meta: odd }),
      secret(odd, odd),
      trusting(odd, { [odd]: odd }),
      trusting(odd.repeat(20_000)),
    ];
    const content = message(id, { [session]: { transactions, signature: odd } }, header);
    await store(storage, content);
    const whole = await loadWhole(storage, id);
    expect(JSON.stringify(whole.header)).toBe(JSON.stringify(header));
    expect(JSON.stringify(whole.sessions)).toBe(
      JSON.stringify({ [session]: { transactions, signature: odd } }),
    );
    expect((await loadKnownState(storage, id))?.sessions).toEqual({ [session]: 4 });
  });

  test("unknown fields, and any order of fields, in headers and transactions", async () => {
    const storage = await open({ path: join(temporaryDirectory(), "store"), flavour });
    const entry = fc.tuple(fc.string(), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(
        fc.uuid(),
        fc.array(entry, { maxLength: 4 }),
        fc.array(fc.array(entry, { maxLength: 4 }), { maxLength: 5 }),
        async (name, more, others) => {
          const id = `co_z${name}`;
          const header = { ...Object.fromEntries(more), ...HEADER } as unknown as Header;
          const transactions = others.map((fields, i) => {
            const known = i % 2 ? secret("x") : trusting("[]");
            const unknown = Object.fromEntries(fields);
            return i % 3 ? { ...unknown, ...known } : { ...known, ...unknown };
          });
          await store(storage, message(id, { s: { transactions, signature: "signature_z1" } }, header));
          const whole = await loadWhole(storage, id);
          expect(JSON.stringify(whole.header)).toBe(JSON.stringify(header));
          expect(JSON.stringify(whole.sessions.s?.transactions ?? [])).toBe(JSON.stringify(transactions));
        },
      ),
      { numRuns: 150 },
    );
  });

  test("a session named like a property of all objects", async () => {
    const storage = await open({ path: join(temporaryDirectory(), "store"), flavour });
    const content = message(ID, {}, HEADER);
    Object.defineProperty(content.new, "__proto__", {
      value: { after: 0, lastSignature: "signature_z1", newTransactions: [trusting("[]")] },
      enumerable: true,
    });
    await store(storage, content);
    const { messages } = await load(storage, ID);
    expect(Object.keys(messages[0]?.new ?? {})).toEqual(["__proto__"]);
    const knownState = await loadKnownState(storage, ID);
    expect(Object.entries(knownState?.sessions ?? {})).toEqual([["__proto__", 1]]);
  });

  test("a header without transactions", async () => {
    const storage = await open({ path: join(temporaryDirectory(), "store"), flavour });
    await store(storage, message(ID, {}, HEADER));
    const { found, messages } = await load(storage, ID);
    expect(found).toBe(true);
    expect(messages).toEqual([{ action: "content", id: ID, header: HEADER, priority: 3, new: {} }]);
    expect(storage.getKnownState(ID)).toEqual({ id: ID, header: true, sessions: {} });
  });

  test("10,000 sessions in one value", async () => {
    const storage = await open({ path: join(temporaryDirectory(), "store"), flavour });
    const sessions = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, i) => [
        `sealer_z/signer_z_session_z${i}`,
        { transactions: [secret(`${i}`)] },
      ]),
    );
    await store(storage, message(ID, sessions, HEADER));
    const whole = await loadWhole(storage, ID);
    expect(Object.keys(whole.sessions)).toEqual(Object.keys(sessions));
    expect(whole.sessions["sealer_z/signer_z_session_z9999"]?.transactions).toEqual([secret("9999")]);
    expect(Object.keys((await loadKnownState(storage, ID))?.sessions ?? {}).length).toBe(10_000);
  });

  test("a transaction of 100 MB, and the one after it", { timeout: 120_000 }, async () => {
    const path = join(temporaryDirectory(), "store");
    const storage = await open({ path, flavour });
    const large = `[${"0123456789".repeat(10_000_000)}é]`;
    await store(storage, single(ID, [trusting(large)], HEADER));
    await store(storage, single(ID, [trusting("[]")], undefined, 1));
    const { messages } = await load(storage, ID);
    const digest = createHash("sha256").update(JSON.stringify(messages)).digest("hex");
    const transactions = messages.flatMap((each) =>
      Object.values(each.new).flatMap((part) => part.newTransactions),
    );
    expect(transactions.length).toBe(2);
    expect((transactions[0] as { changes: string }).changes === large).toBe(true);
    await storage.close();
    expect(await ask({ do: "load", large: true, id: ID, options: { path, flavour } })).toEqual({ digest });
  });

  test("messages are taken as they are when stored, and given as fresh objects", async () => {
    const storage = await open({ path: join(temporaryDirectory(), "store"), flavour });
    const content = single(ID, [secret("a"), trusting("[1]")], { ...HEADER });
    const stored = store(storage, content);
    (content.header as { type: string }).type = "changed";
    for (const part of Object.values(content.new)) part.newTransactions.length = 0;
    await stored;
    for (let i = 0; i < 2; i++) {
      const { messages } = await load(storage, ID);
      const [loaded] = messages;
      expect(loaded?.header).toEqual(HEADER);
      expect(Object.values(loaded?.new ?? {})[0]?.newTransactions).toEqual([secret("a"), trusting("[1]")]);
      for (const part of Object.values(loaded?.new ?? {})) part.newTransactions.length = 0;
      (loaded?.header as { type: string }).type = "changed";
    }
  });

  test("what is loaded stays as it is while more is loaded, from its callback and before its rest", async () => {
    const storage = await open({ durability: "memory", flavour });
    // Of two whole pieces and one that has no signature of its own.
    const transactions = (id: string) =>
      Array.from({ length: 25 }, (_, i) => secret(`${id}${i}`.padEnd(10_000, id)));
    for (const id of ["co_zA", "co_zB", "co_zC"]) {
      for (const [i, transaction] of transactions(id).entries())
        await store(storage, single(id, [transaction], HEADER, i));
    }
    const messages: Message[] = [];
    const others: Promise<void>[] = [];
    const loads = ["co_zA", "co_zB"].map((id) =>
      storage.load(id, (content) => {
        messages.push(content);
        others.push(storage.load("co_zC", (other) => messages.push(other)));
      }),
    );
    await Promise.all(loads);
    await Promise.all(others);
    drain(storage);
    for (const id of ["co_zA", "co_zB"])
      expect(assemble(messages, id).sessions[SESSION]?.transactions).toEqual(transactions(id));
  });
});
