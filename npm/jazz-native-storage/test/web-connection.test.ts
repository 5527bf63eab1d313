/** The way between a storage object and an engine elsewhere, without a browser: the addon is the engine. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NativeStorageError } from "../src/errors.js";
import { Archives } from "../src/host/archives.js";
import { loadBinding } from "../src/native-node.js";
import { NativeStorageAsync } from "../src/storage-async.js";
import { Connection, type Link } from "../src/web/connection.js";
import { addressed, connectionOf, type Failure, FrameReader, FrameWriter } from "../src/web/frames.js";
import { type FromServer, type ToServer, VERSIONS } from "../src/web/protocol.js";
import { RemoteStorage } from "../src/web/remote-storage.js";
import { Server } from "../src/web/server.js";
import { HEADER, load, single, store, temporaryDirectory, trusting } from "./support.js";

/** An engine, and the ways to it. */
function engine(path: string | undefined) {
  const broken: unknown[] = [];
  const server = new Server({
    binding: loadBinding(),
    path,
    files: undefined,
    engine: "test",
    archives: new Archives(),
    onBroken: (error) => broken.push(error),
  });
  return {
    broken,
    /** A way that can be cut, and that delivers in turns of its own, as a browser's do. */
    link(connection: Connection, seen: (message: ToServer) => void = () => {}) {
      let isCut = false;
      const { receive, end } = server.connect(
        {
          post: (message) => {
            const copy = structuredClone(message);
            setImmediate(() => isCut || connection.receive(link, copy));
          },
        },
        true,
      );
      const link: Link = {
        post: (message) => {
          const copy = structuredClone(message);
          if (isCut) return;
          seen(copy);
          setImmediate(() => isCut || receive(copy));
        },
        close: end,
      };
      return {
        link,
        cut: () => {
          isCut = true;
        },
      };
    },
  };
}

function connect(request = {}) {
  const opened: (NativeStorageError | undefined)[] = [];
  const connection: Connection = new Connection(request, {
    opened: (error) => opened.push(error),
    failed: () => {},
    told: () => {},
  });
  return { connection, opened };
}

describe("frames", () => {
  test("any values come back as they were", () => {
    const value = fc.oneof(
      fc.constant(undefined),
      fc.boolean(),
      fc.double(),
      fc.uint8Array({ maxLength: 40_000 }),
      fc.dictionary(fc.string(), fc.jsonValue()),
    );
    const from = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const writer = new FrameWriter();
    fc.assert(
      fc.property(fc.array(value, { maxLength: 9 }), from, from, (values, number, connection) => {
        writer.call("erase", values);
        for (const one of values) writer.value(one);
        writer.error({ code: "CORRUPT", message: "ünd" });
        const frame = addressed(writer.take(number, 0), connection);
        const reader = new FrameReader(frame);
        expect([reader.from, reader.connection, connectionOf(frame)]).toEqual([
          number,
          connection,
          connection,
        ]);
        expect(reader.call()).toEqual({ method: "erase", args: values });
        for (const one of values) expect(reader.value()).toEqual(one);
        const { error } = reader.value() as Failure;
        expect([error.code, error.message]).toEqual(["CORRUPT", "ünd"]);
        expect(reader.hasMore).toBe(false);
      }),
    );
  });
});

test("a storage over a connection stores, loads and fails as one beside the engine", async () => {
  const { connection, opened } = connect();
  connection.attach(engine(temporaryDirectory()).link(connection).link);
  const storage = new NativeStorageAsync(
    new RemoteStorage(connection, { wake: () => {}, rest: () => {} }),
    {},
  );
  await store(storage, single("co_z1", [trusting("[1]")], HEADER));
  expect((await load(storage, "co_z1")).found).toBe(true);
  expect((await load(storage, "co_z2")).found).toBe(false);
  expect(opened).toEqual([undefined]);
  await expect(connection.call("load", new Uint8Array(), 1)).rejects.toMatchObject({ code: "EMPTY_ID" });
  await storage.close();
});

test("what a value depends on comes along in one trip, once, and what does not is asked for", async () => {
  const path = temporaryDirectory();
  const { connection } = connect();
  const calls: string[] = [];
  const way = engine(path).link(connection, (message) => {
    if (!(message instanceof Uint8Array)) return;
    for (const reader = new FrameReader(message); reader.hasMore; ) calls.push(reader.call().method);
  });
  connection.attach(way.link);
  const open = () =>
    new NativeStorageAsync(new RemoteStorage(connection, { wake: () => {}, rest: () => {} }), {});
  const ruled = (ruleset: object) => ({ ...HEADER, ruleset }) as unknown as typeof HEADER;
  const owned = (group: string) => ruled({ type: "ownedByGroup", group });
  const groupHeader = ruled({ type: "group", initialAdmin: "x" });
  const changes = (...keys: string[]) => JSON.stringify(keys.map((key) => ({ op: "set", key, value: "x" })));
  const writing = open();
  await store(writing, single("co_zMember", [trusting("[]")], HEADER));
  await store(writing, single("co_zParent", [trusting(changes("co_zMember"))], groupHeader));
  await store(writing, single("co_zGroup", [trusting(changes("parent_co_zParent"))], groupHeader));
  for (const id of ["co_z1", "co_z2"]) await store(writing, single(id, [trusting("[]")], owned("co_zGroup")));
  await store(writing, single("co_z3", [trusting("[]")], owned("co_zAbsent")));

  const reading = open();
  const ids = async (id: string) => (await load(reading, id)).messages.map((message) => message.id);
  calls.length = 0;
  expect(await ids("co_z1")).toEqual(["co_zMember", "co_zParent", "co_zGroup", "co_z1"]);
  expect(await ids("co_z2")).toEqual(["co_z2"]);
  expect(await ids("co_z3")).toEqual(["co_z3"]);
  expect(calls).toEqual(["loadWithDependencies", "loadWithDependencies", "loadWithDependencies"]);
  // The engine's side does not hear of what is unmounted.
  reading.onCoValueUnmounted("co_zGroup" as never);
  calls.length = 0;
  expect(await ids("co_z2")).toEqual(["co_zGroup", "co_z2"]);
  expect(calls).toEqual(["loadWithDependencies", "loadMany"]);
  await reading.close();
});

test("what an engine had not answered is done by the next one, in its order and once", async () => {
  const path = temporaryDirectory();
  const { connection } = connect();
  const storage = new NativeStorageAsync(
    new RemoteStorage(connection, { wake: () => {}, rest: () => {} }),
    {},
  );
  const done: number[] = [];
  const next = engine(path);
  for (let round = 0; round < 20; round++) {
    const way = (round === 0 ? engine(path) : next).link(connection);
    connection.attach(way.link);
    for (let n = round * 50; n < round * 50 + 50; n++) {
      storage.store(
        single("co_z1", [trusting(`[${n}]`)], HEADER, n),
        () => undefined,
        () => done.push(n),
      );
    }
    // At any place: before it was received, while it is done, before the answer has come.
    for (let turn = 0; turn < round % 5; turn++) await new Promise(setImmediate);
    way.cut();
  }
  connection.attach(next.link(connection).link);
  await storage.flush();
  expect(done).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  const { messages } = await load(storage, "co_z1");
  const changes = messages.flatMap(({ new: sessions }) =>
    Object.values(sessions).flatMap(({ newTransactions }) =>
      newTransactions.map((transaction) => (transaction as { changes: string }).changes),
    ),
  );
  expect(changes).toEqual(Array.from({ length: 1000 }, (_, n) => `[${n}]`));
  await storage.close();
});

test("answers of an engine that was left count no more", async () => {
  const { connection } = connect({ durability: "memory" });
  const first = engine(undefined).link(connection);
  connection.attach(first.link);
  const count = connection.call("coValueCount");
  // It has gone.
  await Promise.resolve();
  connection.attach(engine(undefined).link(connection).link);
  connection.receive(first.link, new FrameWriter().take(0, 0));
  expect(await count).toBe(0);
});

test("an engine of another version is refused, and so is a batch that follows nothing", async () => {
  const told: FromServer[] = [];
  const server = new Server({
    binding: loadBinding(),
    path: undefined,
    files: undefined,
    engine: "test",
    archives: new Archives(),
    onBroken: (error) => {
      throw error;
    },
  });
  const { receive } = server.connect({ post: (message) => told.push(message) }, true);
  const request = { durability: "memory" } as const;
  receive({ kind: "open", request, versions: { ...VERSIONS, protocol: VERSIONS.protocol + 1 } });
  expect(told).toEqual([{ kind: "opened", error: expect.objectContaining({ code: "BINDING_VERSION" }) }]);
  const other = server.connect({ post: (message) => told.push(message) }, true);
  other.receive({ kind: "open", request, versions: VERSIONS });
  const writer = new FrameWriter();
  writer.call("storeBatch", [Uint8Array.from([1, 0, 0, 128, 1, 0, 0, 0, 9])]);
  other.receive(writer.take(0, 0));
  expect(new FrameReader(told.at(-1) as Uint8Array).value()).toEqual(new Uint8Array(4));
});

test("what the engine throws without a code breaks it, and nothing is answered from then on", async () => {
  const { connection } = connect();
  const broken: unknown[] = [];
  let calls = 0;
  const storage = {
    onEvent: () => {},
    coValueCount: () => {
      calls++;
      throw new Error("unreachable executed");
    },
    flush: () => {},
    maintain: () => false,
  };
  const server = new Server({
    binding: { NativeStorage: { open: () => storage } } as unknown as ReturnType<typeof loadBinding>,
    path: "/x",
    files: undefined,
    engine: "test",
    archives: new Archives(),
    onBroken: (error) => broken.push(error),
  });
  const answers: FromServer[] = [];
  const { receive, end } = server.connect({ post: (message) => answers.push(message) }, true);
  const link: Link = { post: receive, close: end };
  connection.attach(link);
  for (let turn = 0; turn < 2; turn++) {
    connection.call("coValueCount").catch(() => {});
    await new Promise(setImmediate);
  }
  expect([answers, broken.length, calls]).toEqual([[{ kind: "opened" }], 1, 1]);
});

test("files are added before an operation, and what was stored is maintained and synced after it", async () => {
  const did: string[] = [];
  const storage = {
    onEvent: () => {},
    store: () => did.push("store") && undefined,
    maintain: () => {
      did.push("maintain");
      return did.length < 5;
    },
    flush: () => did.push("flush"),
  };
  const files = {
    spare: 0,
    async refill(spare: number) {
      did.push("refill");
      files.spare = spare;
    },
    isUnsettled: true,
    async settle() {
      did.push("settle");
      files.isUnsettled = false;
    },
  };
  const server = new Server({
    binding: { NativeStorage: { open: () => storage } } as unknown as ReturnType<typeof loadBinding>,
    path: "/x",
    files,
    engine: "test",
    archives: new Archives(),
    onBroken: (error) => {
      throw error;
    },
  });
  const answers: FromServer[] = [];
  const { receive } = server.connect({ post: (message) => answers.push(message) }, true);
  receive({ kind: "open", request: {}, versions: VERSIONS });
  const writer = new FrameWriter();
  writer.call("store", [new Uint8Array(3)]);
  receive(writer.take(0, 0));
  await expect.poll(() => did.at(-1), { timeout: 3000 }).toBe("settle");
  expect(did).toEqual(["refill", "store", "maintain", "maintain", "maintain", "flush", "settle"]);
  expect(answers.length).toBe(2);
});
