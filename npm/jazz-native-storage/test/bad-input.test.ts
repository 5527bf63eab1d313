/** Whatever is wrong is a typed error that says what to do, and the store is as it was. */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  createNativeStorage,
  createNativeStorageSync,
  type JazzNativeStorage,
  type NativeStorageOptions,
} from "../src/index.js";
import { checkVersion, loadBinding, platformTriple } from "../src/native-node.js";
import { ask, start } from "./processes.js";
import {
  coValueIds,
  FLAVOURS,
  HEADER,
  load,
  loadKnownState,
  loadWhole,
  type Message,
  open,
  secret,
  silence,
  single,
  store,
  temporaryDirectory,
  trusting,
} from "./support.js";

const ID = "co_zBadInput";

/** What opening throws, both ways. */
async function openingErrors(options: unknown) {
  const errors: { name: string; code: string; message: string }[] = [];
  for (const opening of [
    createNativeStorage,
    async (given: NativeStorageOptions) => createNativeStorageSync(given),
  ]) {
    const error = await opening(options as NativeStorageOptions).then(
      () => expect.fail("it opened"),
      (reason: unknown) => reason as (typeof errors)[number],
    );
    errors.push({ name: error.name, code: error.code, message: error.message });
  }
  expect(errors[1]).toEqual(errors[0]);
  return errors[0];
}

describe("options", () => {
  test.each([
    [undefined, "options"],
    [null, "options"],
    ["./path", "options"],
    [{}, "path"],
    [{ path: "" }, "path"],
    [{ path: 1 }, "path"],
    [{ path: "a\0b" }, "path"],
    [{ path: "x", flavor: "sync" }, "flavor"],
    [{ path: "x", flavour: "both" }, "flavour"],
    [{ path: "x", durability: "none" }, "durability"],
    [{ path: "x", cacheBytes: 0 }, "cacheBytes"],
    [{ path: "x", cacheBytes: 1.5 }, "cacheBytes"],
    [{ path: "x", segmentBytes: -1 }, "segmentBytes"],
    [{ path: "x", segmentBytes: "1" }, "segmentBytes"],
    [{ path: "x", deltaBytes: Number.NaN }, "deltaBytes"],
    [{ path: "x", bufferBytes: -1 }, "bufferBytes"],
    [{ path: "x", onDegraded: true }, "onDegraded"],
  ])("%j is refused, naming the option", async (options, name) => {
    expect(await openingErrors(options)).toEqual({
      name: "NativeStorageError",
      code: "INVALID_OPTION",
      message: expect.stringContaining(`option ${name}`),
    });
  });

  test("sizes the engine cannot work with are refused by it", async () => {
    const path = join(temporaryDirectory(), "store");
    for (const name of ["cacheBytes", "segmentBytes", "deltaBytes", "bufferBytes"]) {
      expect(await openingErrors({ path, [name]: 1 })).toMatchObject({
        code: "INVALID_OPTION",
        message: expect.stringContaining(name),
      });
    }
  });

  test("a store in memory needs no path, and keeps nothing", async () => {
    const first = await open({ durability: "memory" });
    await store(first, single(ID, [secret("a")], HEADER));
    expect((await load(first, ID)).found).toBe(true);
    expect((await first.stats()).path).toBeUndefined();
    const second = await open({ durability: "memory" });
    expect((await load(second, ID)).found).toBe(false);
  });
});

describe("places", () => {
  test("a file in place of the directory, or above it", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "content");
    for (const path of [file, join(file, "below")]) {
      expect(await openingErrors({ path })).toMatchObject({
        code: "NOT_A_DIRECTORY",
        message: expect.stringContaining(file),
      });
    }
    expect(readFileSync(file, "utf8")).toBe("content");
  });

  test("a directory the process may not write", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "store");
    mkdirSync(path);
    chmodSync(path, 0o555);
    chmodSync(directory, 0o555);
    // Root may write everywhere, so another user opens it.
    const user = process.getuid?.() === 0 ? 65_534 : undefined;
    for (const each of [path, join(directory, "new")]) {
      expect(await ask({ do: "open", options: { path: each } }, { user })).toMatchObject({
        name: "NativeStorageError",
        code: "PERMISSION_DENIED",
        message: expect.stringContaining(each),
      });
    }
    chmodSync(directory, 0o755);
  });

  test("a directory with something else in it", async () => {
    const path = temporaryDirectory();
    writeFileSync(join(path, "letter.txt"), "dear");
    expect(await openingErrors({ path })).toMatchObject({
      code: "FOREIGN_DIRECTORY",
      message: expect.stringContaining("letter.txt"),
    });
    expect(readdirSync(path)).toEqual(["letter.txt"]);
  });

  test("a store another process holds, with its id; free again once that is killed", async () => {
    const path = join(temporaryDirectory(), "store");
    const { answer, kill } = await start({ do: "hold", options: { path } });
    expect(await openingErrors({ path })).toMatchObject({
      code: "LOCKED",
      message: expect.stringContaining(`process ${answer.pid}`),
    });
    await kill();
    const storage = await open({ path });
    await store(storage, single(ID, [secret("a")], HEADER));
    expect(await ask({ do: "open", options: { path } })).toMatchObject({
      code: "LOCKED",
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await storage.close();
    expect(await ask({ do: "open", options: { path } })).toEqual({ opened: true });
  });
});

describe("the binding", () => {
  test.each([
    [{ package: "1.2.4", abi: 1 }, /1\.2\.3 \(ABI 1\).*1\.2\.4 \(ABI 1\).*\.\/somewhere.*reinstall/],
    [{ package: "1.2.3", abi: 2 }, /1\.2\.3 \(ABI 1\).*1\.2\.3 \(ABI 2\).*\.\/somewhere.*reinstall/],
  ])("must have the version of the package, and of what crosses: not %o", (binding, message) => {
    expect(() => checkVersion({ package: "1.2.3", abi: 1 }, binding, "./somewhere")).toThrow(
      expect.objectContaining({ code: "BINDING_VERSION", message: expect.stringMatching(message) }),
    );
  });

  test("that was made before it could be asked for its version is refused when it is loaded", async () => {
    const copy = temporaryDirectory();
    for (const name of ["dist", "package.json"])
      cpSync(new URL(`../${name}`, import.meta.url), join(copy, name), { recursive: true });
    const old = join(copy, "node_modules", "@jazz-native-storage", `node-${platformTriple()}`);
    mkdirSync(old, { recursive: true });
    writeFileSync(join(old, "index.js"), 'exports.version = () => "0.0.9";');
    const { loadBinding: loadFromCopy } = (await import(
      /* @vite-ignore */ join(copy, "dist", "native-node.js")
    )) as { loadBinding: typeof loadBinding };
    expect(loadFromCopy).toThrow(
      expect.objectContaining({
        code: "BINDING_VERSION",
        message: expect.stringContaining("version unknown (ABI 0)"),
      }),
    );
  });

  test("where there is none, the error says what was tried and what helps", async () => {
    const copy = temporaryDirectory();
    const root = new URL("..", import.meta.url);
    for (const name of ["dist", "package.json"])
      cpSync(new URL(name, root), join(copy, name), { recursive: true });
    const { loadBinding: loadFromCopy } = (await import(
      /* @vite-ignore */ join(copy, "dist", "native-node.js")
    )) as {
      loadBinding: typeof loadBinding;
    };
    expect(loadFromCopy).toThrow(
      expect.objectContaining({
        code: "BINDING_MISSING",
        message: expect.stringMatching(/tried \.\.\/native\/.*@jazz-native-storage\/.*npm run build/s),
      }),
    );
  });
});

describe.each(FLAVOURS)("%s content", (flavour) => {
  const path = () => join(temporaryDirectory(), "store");

  test("an unknown id", async () => {
    const storage = await open({ path: path(), flavour });
    expect(await load(storage, "co_zUnknown")).toEqual({ found: false, messages: [] });
    expect(await loadKnownState(storage, "co_zUnknown")).toBeUndefined();
    expect(storage.getKnownState("co_zUnknown")).toEqual({ id: "co_zUnknown", header: false, sessions: {} });
  });

  test("an empty id", async () => {
    silence("error");
    silence("warn");
    const storage = await open({ path: path(), flavour });
    let found: boolean | undefined;
    await expect(
      storage.load(
        "",
        () => expect.fail("content came"),
        (it) => {
          found = it;
        },
      ),
    ).rejects.toMatchObject({ code: "EMPTY_ID" });
    expect(found).toBe(false);
    expect(await loadKnownState(storage, "")).toBeUndefined();
    expect(await failureOf(storage, single("", [secret("a")], HEADER))).toBe("EMPTY_ID");
    expect(await coValueIds(storage)).toEqual([]);
  });

  test("messages that cannot be stored change nothing, and later ones are stored", async () => {
    const storage = await open({ path: path(), flavour });
    const good = single(ID, [secret("a")], HEADER);
    await store(storage, good);
    const before = JSON.stringify([
      storage.getKnownState(ID),
      await loadWhole(storage, ID),
      await coValueIds(storage),
    ]);
    const wrong: [string, (content: Message) => void][] = [
      ["MALFORMED", (content) => Object.assign(part(content), { after: -1 })],
      ["MALFORMED", (content) => Object.assign(part(content), { after: 0.5 })],
      ["MALFORMED", (content) => Object.assign(part(content), { after: 2 ** 32 })],
      ["MALFORMED", (content) => Object.assign(part(content), { after: "1" })],
      ["MALFORMED", (content) => Object.assign(part(content), { lastSignature: undefined })],
      ["MALFORMED", (content) => Object.assign(part(content), { newTransactions: "none" })],
      ["MALFORMED", (content) => Object.assign(part(content), { newTransactions: [null] })],
      ["MALFORMED", (content) => Object.assign(part(content), { newTransactions: [{ changes: 1n }] })],
      ["MALFORMED", (content) => Object.assign(content, { id: 1 })],
      ["MALFORMED", (content) => Object.assign(content, { header: "header" })],
      ["MALFORMED", (content) => Object.assign(content.new, { "": part(content) })],
      ["TOO_LARGE", (content) => Object.assign(content, { id: "x".repeat(32_768) })],
      ["TOO_LARGE", (content) => Object.assign(content.new, { ["x".repeat(32_768)]: part(content) })],
      ["TOO_LARGE", (content) => Object.assign(part(content), { lastSignature: "x".repeat(32_768) })],
      ["TOO_LARGE", (content) => Object.assign(part(content), { after: 2 ** 32 - 1 })],
    ];
    for (const [code, change] of wrong) {
      const content = single(ID, [secret("b")], HEADER, 1);
      change(content);
      const failure = await failureOf(storage, content);
      expect(["EMPTY_ID", code]).toContain(failure);
    }
    const after = JSON.stringify([
      storage.getKnownState(ID),
      await loadWhole(storage, ID),
      await coValueIds(storage),
    ]);
    expect(after).toBe(before);
    await store(storage, single(ID, [secret("b")], undefined, 1));
    expect(storage.getKnownState(ID).sessions).toEqual({ [Object.keys(good.new)[0] as string]: 2 });
  });
});

function part(content: Message): object {
  return Object.values(content.new)[0] as object;
}

/** The code with which a message fails: thrown in the sync flavour, logged in the async one. */
async function failureOf(storage: JazzNativeStorage, content: Message): Promise<string | undefined> {
  const log = silence("error");
  log.mockClear();
  try {
    const refuse = () => expect.fail("a correction was asked for");
    storage.store(content, refuse, () => expect.fail("it was stored"));
    await storage.flush();
    const [call] = log.mock.calls;
    return (call?.[1] as { err?: { code: string } } | undefined)?.err?.code;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test("malformed bytes, given to the binding itself", () => {
  const native = loadBinding().NativeStorage.open({ path: join(temporaryDirectory(), "store") });
  const wrong = [
    [],
    [0],
    [1],
    [2, 0],
    [1, 255, 0],
    Array.from({ length: 100 }, () => 255),
    Array(64).fill(0),
  ];
  for (const bytes of wrong.map((each) => Uint8Array.from(each))) {
    for (const call of [
      () => native.store(bytes),
      () => native.loadMany(bytes.subarray(0, 3), 0),
      () => native.trackSyncState(Uint8Array.from([9, 0, 0, 0, ...bytes])),
      () => native.storeBatch(Uint8Array.from([1, 0, 0, 0, bytes.length, 0, 0, 0, ...bytes])),
    ]) {
      expect(call).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(MALFORMED|EMPTY_ID)$/) }),
      );
    }
  }
  expect(native.coValueCount()).toBe(0);
  native.close();
});

test("a store of a newer format version", async () => {
  const path = join(temporaryDirectory(), "store");
  const storage = await open({ path });
  await store(storage, single(ID, [trusting("[]")], HEADER));
  const { formatVersion } = await storage.stats();
  storage.close();
  // A manifest slot: magic bytes, u32 version at 8, u32 length of the body at 12, u32 checksum at 24, body from 28.
  let slots = 0;
  for (const name of readdirSync(path)) {
    const bytes = readFileSync(join(path, name));
    if (bytes.subarray(0, 7).toString() !== "JAZZMAN") continue;
    expect(bytes.readUInt32LE(8)).toBe(formatVersion);
    bytes.writeUInt32LE(formatVersion + 1, 8);
    const body = bytes.subarray(28, 28 + bytes.readUInt32LE(12));
    bytes.writeUInt32LE(crc32c(Buffer.concat([bytes.subarray(0, 24), body])), 24);
    writeFileSync(join(path, name), bytes);
    slots++;
  }
  expect(slots).toBeGreaterThan(0);
  const before = snapshot(path);
  expect(await openingErrors({ path })).toMatchObject({
    code: "NEWER_FORMAT",
    message: expect.stringMatching(new RegExp(`version ${formatVersion + 1}.*up to ${formatVersion}`)),
  });
  expect(snapshot(path)).toEqual(before);
});

/** The bytes of every file but those of the lock. */
function snapshot(path: string): Record<string, string> {
  const names = readdirSync(path).filter((name) => name !== "LOCK" && name !== "OWNER");
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name), "base64")]));
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
