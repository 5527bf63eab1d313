/** The policy of what takes the engine's place, without a browser. */
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { NativeStorageError, type NativeStorageErrorCode } from "../src/errors.js";
import type { JazzNativeStorage } from "../src/jazz-native-storage.js";
import type { FallbackEvent, NativeStorageOptions } from "../src/options.js";
import { EngineContext, type EngineModule } from "../src/web/engine-context.js";
import { openFallback } from "../src/web/fallback.js";
import { openIndexedDb } from "../src/web/indexeddb-storage.js";
import { JazzIndexedDb } from "../src/web/jazz-indexeddb.js";
import { hasStore } from "../src/web/origin.js";
import { silence } from "./support.js";

vi.mock(import("../src/web/origin.js"), { spy: true });
vi.mock(import("../src/web/indexeddb-storage.js"), { spy: true });
vi.mock("cojson-storage-indexeddb/dist/index.js", () => {
  throw new Error("not loaded");
});

const INDEXEDDB = { backing: "indexeddb" } as JazzNativeStorage;
const MEMORY = { backing: "memory" } as JazzNativeStorage;

const error = (code: NativeStorageErrorCode) => new NativeStorageError(code, `it is ${code}`);

/** What is opened, or the code of what it fails with; what was tried for it, and what was told. */
async function outcome(reason: NativeStorageErrorCode, options: NativeStorageOptions) {
  const told: FallbackEvent[] = [];
  const warned = silence("warn").mockClear();
  const openInMemory = vi.fn(async () => MEMORY);
  const onFallback = (event: FallbackEvent) => told.push(event);
  const result = await openFallback("db", error(reason), { ...options, onFallback }, openInMemory).then(
    ({ backing }) => backing,
    ({ code }) => code,
  );
  expect(warned).toHaveBeenCalledTimes(told.length);
  const tried = [
    ...vi.mocked(openIndexedDb).mock.calls.map(() => "indexeddb"),
    ...openInMemory.mock.calls.map(() => "memory"),
  ];
  return { result, tried, told: told.map(({ chosen, hidesStore }) => [chosen, hidesStore]) };
}

beforeEach(() => {
  vi.stubGlobal("Worker", class {});
  vi.mocked(hasStore).mockReset().mockResolvedValue(false);
  vi.mocked(openIndexedDb).mockReset().mockResolvedValue(INDEXEDDB);
  onTestFinished(() => void vi.unstubAllGlobals());
});

describe("where the engine cannot run", () => {
  test.each([
    ["IndexedDB is taken", {}, "indexeddb"],
    [
      "also where it is asked for by name, though strict",
      { fallback: "indexeddb", durability: "strict" },
      "indexeddb",
    ],
    ["or memory, if that is asked for", { fallback: "memory" }, "memory"],
  ] as const)("%s", async (_, options, chosen) => {
    expect(await outcome("UNAVAILABLE", options)).toEqual({
      result: chosen,
      tried: [chosen],
      told: [[chosen, false]],
    });
  });

  test.each([{ fallback: "none" }, { durability: "strict" }] as const)(
    "nothing is with %j",
    async (options) => {
      expect(await outcome("UNAVAILABLE", options)).toEqual({ result: "UNAVAILABLE", tried: [], told: [] });
    },
  );

  test("memory is taken where there is no IndexedDB, unless that was asked for", async () => {
    vi.mocked(openIndexedDb).mockRejectedValue(error("UNAVAILABLE"));
    expect(await outcome("UNAVAILABLE", {})).toEqual({
      result: "memory",
      tried: ["indexeddb", "memory"],
      told: [["memory", false]],
    });
    vi.mocked(openIndexedDb).mockClear();
    expect(await outcome("UNAVAILABLE", { fallback: "indexeddb" })).toEqual({
      result: "UNAVAILABLE",
      tried: ["indexeddb"],
      told: [],
    });
  });

  test.each(["DISK_FULL", "NEWER_FORMAT", "IO"] as const)(
    "a database that fails with %s is not passed over",
    async (code) => {
      vi.mocked(openIndexedDb).mockRejectedValue(error(code));
      expect(await outcome("UNAVAILABLE", {})).toEqual({ result: code, tried: ["indexeddb"], told: [] });
    },
  );

  test("nothing is opened beside a store that is there, unless it is asked for", async () => {
    vi.mocked(hasStore).mockResolvedValue(true);
    expect(await outcome("UNAVAILABLE", {})).toEqual({ result: "UNAVAILABLE", tried: [], told: [] });
    expect(await outcome("UNAVAILABLE", { fallback: "best" })).toEqual({
      result: "indexeddb",
      tried: ["indexeddb"],
      told: [["indexeddb", true]],
    });
  });

  test("a module that is not loaded is a reason", async () => {
    const starting = EngineContext.start({
      database: undefined,
      module: {} as EngineModule,
      loaded: Promise.reject(new WebAssembly.CompileError("forbidden by the page's policy")),
      onBroken: () => {},
    });
    await expect(starting).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("policy"),
    });
  });

  test("a database is not passed over because the package that opens it was not loaded", async () => {
    const { openIndexedDb: real } = await vi.importActual<typeof import("../src/web/indexeddb-storage.js")>(
      "../src/web/indexeddb-storage.js",
    );
    vi.stubGlobal("indexedDB", {});
    const close = vi.fn();
    const opened = vi.spyOn(JazzIndexedDb, "open").mockResolvedValue({ close } as never);
    onTestFinished(() => opened.mockRestore());
    await expect(real("db", {})).rejects.toMatchObject({ code: "IO" });
    expect(close).toHaveBeenCalledOnce();
    opened.mockResolvedValue(undefined);
    await expect(real("db", {})).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

test.each([
  "LOCKED",
  "CORRUPT",
  "NEWER_FORMAT",
  "DISK_FULL",
  "IO",
  "ENGINE_DIED",
  "BINDING_VERSION",
] as const)("a store that fails with %s is never replaced", async (code) => {
  for (const fallback of ["best", "indexeddb", "memory"] as const) {
    expect(await outcome(code, { fallback })).toEqual({ result: code, tried: [], told: [] });
  }
});
