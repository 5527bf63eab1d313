/** A Worker that does with the package what a test says, by its name. */

import { createWorkerStorage, NativeStorageError, type NativeStorageSync } from "../../src/edge/index.js";
import * as main from "../../src/edge/worker.js";
import { HEADER, load, loadKnownState, secret, single, store } from "../support.js";

const MIB = 1024 * 1024;

/** Opening in the global scope, where a Worker may not ask for random numbers. */
let inGlobalScope: unknown;
try {
  createWorkerStorage();
} catch (error) {
  inGlobalScope = told(error);
}

function told(error: unknown) {
  const { name, code, message } = error as NativeStorageError;
  return { name, code, message, isTyped: error instanceof NativeStorageError };
}

async function refused(act: () => unknown) {
  try {
    await act();
    return undefined;
  } catch (error) {
    return told(error);
  }
}

const id = (n: number) => `co_z${n}` as const;

/** Stores values until there is no room; how many there are then, and what was thrown. */
async function fill(storage: NativeStorageSync, from: number, size: number) {
  for (let n = from; ; n++) {
    const failure = await refused(() => store(storage, single(id(n), [secret("x".repeat(size))], HEADER)));
    if (failure) return { stored: n, failure };
  }
}

async function readable(storage: NativeStorageSync, from: number, to: number, size: number) {
  let count = 0;
  for (let n = from; n < to; n++) {
    const { found, messages } = await load(storage, id(n));
    const [session] = Object.values(messages.at(-1)?.new ?? {});
    const [transaction] = session?.newTransactions ?? [];
    const content = transaction?.privacy === "private" ? transaction.encryptedChanges : "";
    if (found && content === `encrypted_U${"x".repeat(size)}`) count++;
  }
  return count;
}

async function erase(storage: NativeStorageSync, from: number, to: number) {
  for (let n = from; n < to; n++) {
    storage.markDeleteAsValid(id(n));
    await store(storage, {
      ...single(id(n), []),
      new: { s_session_d1$: { after: 0, newTransactions: [secret("[]")], lastSignature: "signature_z1" } },
    } as never);
  }
  await storage.eraseAllDeletedCoValues();
}

const TESTS: Record<string, () => unknown> = {
  /** A store up to its bound, and on from there. */
  async bound() {
    const size = 3_000;
    const degraded: string[] = [];
    const storage = createWorkerStorage({ maxBytes: 4 * MIB, onDegraded: ({ code }) => degraded.push(code) });
    const { stored, failure } = await fill(storage, 0, size);
    const all = await readable(storage, 0, stored, size);
    const refusedAfter = await loadKnownState(storage, id(stored));
    const half = stored >> 1;
    await erase(storage, 0, half);
    const compacted = await refused(() => storage.compact());
    const again = await fill(storage, stored, size);
    const kept = await readable(storage, half, again.stored, size);
    return { size, stored, failure, degraded, all, refusedAfter, half, compacted, again, kept };
  },

  /** Stores of one isolate have nothing to do with each other. */
  async many() {
    const storages = Array.from({ length: 20 }, () => createWorkerStorage({ maxBytes: MIB }));
    for (const [n, storage] of storages.entries()) {
      for (let value = 0; value <= n; value++)
        await store(storage, single(id(value), [secret(`${n}`)], HEADER));
    }
    const full = await fill(storages[0] as NativeStorageSync, 1, 3_000);
    const counts: number[] = [];
    for (const storage of storages.slice(1)) counts.push((await storage.stats()).coValues);
    await store(storages[1] as NativeStorageSync, single("co_zMore", [secret("1")], HEADER));
    return { full, counts };
  },

  async options() {
    const wrong: unknown[] = [
      null,
      7,
      [],
      { maxBytes: "1" },
      { maxBytes: 0 },
      { maxBytes: 1.5 },
      { maxBytes: 1024 },
      { maxBytes: Number.NaN },
      { cacheBytes: 1 },
      { path: "x" },
      { dbName: "x" },
      { durability: "strict" },
      { flavour: "async" },
      { maxbytes: MIB },
      { onDegraded: true },
      { onEvent: "x" },
    ];
    const failures: unknown[] = [];
    for (const options of wrong) failures.push(await refused(() => createWorkerStorage(options as never)));
    const stats = await createWorkerStorage({ maxBytes: MIB, cacheBytes: 65536 }).stats();
    return { inGlobalScope, failures, durability: stats.durability, flavour: createWorkerStorage().flavour };
  },

  /** The import for all platforms. */
  async main() {
    const failures: unknown[] = [];
    for (const options of [
      { path: "./data" },
      {},
      { dbName: "x" },
      { durability: "strict" },
      { path: "x", durability: "memory" },
    ]) {
      failures.push(await refused(() => main.createNativeStorage(options as never)));
      failures.push(await refused(() => main.createNativeStorageSync(options as never)));
    }
    failures.push(await refused(() => main.restoreBackup({ from: { file: "x" }, path: "y" })));
    failures.push(await refused(() => main.repairNativeStorage({ path: "y" })));
    const wrong = await refused(() => main.createNativeStorage({ durability: "none" } as never));
    const found: unknown[] = [];
    for (const flavour of ["sync", "async"] as const) {
      const storage = await main.createNativeStorage({ durability: "memory", flavour, maxBytes: MIB });
      await store(storage, single("co_zMain", [secret("1")], HEADER));
      found.push([storage.flavour, (await load(storage, "co_zMain")).found]);
    }
    return { failures, wrong, found };
  },

  /** What an engine takes beside what is stored, as far as the memory of the module has grown. */
  async memory() {
    const { initSync } = (await import("../../dist/wasm/jazz_native_storage_wasm.js" as never)) as never as {
      initSync(_: undefined): { memory: WebAssembly.Memory };
    };
    const taken = () => initSync(undefined).memory.buffer.byteLength;
    const storage = createWorkerStorage();
    const opened = taken();
    const { stored } = await fill(storage, 0, 300);
    const full = taken();
    await readable(storage, 0, stored, 300);
    return { opened, full, loaded: taken(), stored };
  },
};

// biome-ignore lint/style/noDefaultExport: Workers are default exports
export default {
  async fetch(request: Request): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1);
    return Response.json((await TESTS[name]?.()) ?? null);
  },
};
