/** What the tests do in a page: they call these functions from outside. */
import { createNativeStorage, type JazzNativeStorage, type NativeStorageOptions } from "jazz-native-storage";
import { type Message, message } from "./messages.js";

/** Workers that pages start, so that tests can end them. */
const workers: Worker[] = [];
globalThis.Worker = class extends Worker {
  constructor(...of: ConstructorParameters<typeof Worker>) {
    super(...of);
    workers.push(this);
  }
};

const storages = new Map<string, JazzNativeStorage>();
const events: unknown[] = [];

/** A value that all tabs write to, each in a session of its own. */
const SHARED = "co_zShared";
/** Stores of a burst under way at a time. */
const IN_FLIGHT = 8;

interface Burst {
  /** Messages acknowledged: of values of their own, and of the shared one. */
  own: number;
  shared: number;
  /** When the last one was, by `Date.now()`. */
  last: number;
  stop: () => Promise<void>;
}

const bursts = new Map<string, Burst>();

let own: Worker | undefined;

const lab = {
  events,
  workers,

  /** Stores without end: new values, whose ids begin with `prefix`, and to the shared one in turn. */
  burst(name: string, prefix: string) {
    const storage = lab.storage(name);
    let goes = true;
    let [own, shared] = [0, 0];
    const burst: Burst = { own: 0, shared: 0, last: 0, stop: async () => {} };
    const one = async () => {
      while (goes) {
        const isOwn = own <= shared;
        const content = isOwn
          ? message(`${prefix}${own++}`, "sealer_z1/signer_z1_session_z1", 0, 1, 100)
          : message(SHARED, `${prefix}_session_z1`, shared++, 1, 100);
        await new Promise<void>((done) => storage.store(content, () => undefined, done));
        if (isOwn) burst.own++;
        else burst.shared++;
        burst.last = Date.now();
      }
    };
    const running = Array.from({ length: IN_FLIGHT }, one);
    burst.stop = async () => {
      goes = false;
      await Promise.all(running);
    };
    bursts.set(prefix, burst);
  },

  acknowledged(prefix: string) {
    const { own, shared, last } = bursts.get(prefix) as Burst;
    return { prefix, own, shared, last };
  },

  async endBurst(prefix: string) {
    await bursts.get(prefix)?.stop();
    return lab.acknowledged(prefix);
  },

  /** Stores new values, as many as go, and gives how many were acknowledged. */
  async fill(name: string, count: number, { prefix = "co_z", size = 10_000 } = {}) {
    const storage = lab.storage(name);
    let acknowledged = 0;
    for (let n = 0; n < count; n++) {
      const content = message(`${prefix}${n}`, "sealer_z1/signer_z1_session_z1", 0, 1, size);
      storage.store(
        content,
        () => undefined,
        () => acknowledged++,
      );
      // As much as a full batch, so that what fails takes little with it.
      if (n % 16 === 15) await storage.flush().catch(() => {});
    }
    await storage.flush().catch(() => {});
    return acknowledged;
  },

  /** The codes of what `createNativeStorage` rejects with; nothing if it opens. */
  async refusal(name: string, options: NativeStorageOptions = {}) {
    try {
      await lab.open(name, options);
      return undefined;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return { code, message };
    }
  },

  /** What is missing of what was acknowledged, whoever stored it. */
  async missing(name: string, all: { prefix: string; own: number; shared: number }[]) {
    const missing: string[] = [];
    const counters = new Map<string, number>();
    const { messages } = await lab.load(name, SHARED);
    for (const { new: sessions } of messages) {
      for (const [session, { after, newTransactions }] of Object.entries(sessions)) {
        counters.set(session, after + newTransactions.length);
      }
    }
    for (const { prefix, own, shared } of all) {
      const stored = counters.get(`${prefix}_session_z1`) ?? 0;
      if (stored < shared) missing.push(`${prefix} of ${SHARED}: ${shared} acknowledged, ${stored} stored`);
      for (let n = 0; n < own; n++) {
        if (!(await lab.load(name, `${prefix}${n}`)).found) missing.push(`${prefix}${n}`);
      }
    }
    return missing;
  },

  async open(name: string, options: NativeStorageOptions = {}) {
    const began = performance.now();
    const storage = await createNativeStorage({
      dbName: name,
      onEvent: (event) => events.push(event),
      onDegraded: ({ code, message }) => events.push({ degraded: code, message }),
      ...options,
    });
    storages.set(name, storage);
    return performance.now() - began;
  },

  /** Stores messages of one transaction, one for each value or all to one, and waits for all of them. */
  async store(
    name: string,
    count: number,
    { from = 0, prefix = "co_z", size = 100, inFlight = 64, transactions = 1 } = {},
  ) {
    const storage = lab.storage(name);
    let next = from;
    const began = performance.now();
    const one = async () => {
      while (next < from + count) {
        const n = next++;
        const content = message(`${prefix}${n}`, "sealer_z1/signer_z1_session_z1", 0, transactions, size);
        await new Promise<void>((done) => storage.store(content, () => undefined, done));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, one));
    return performance.now() - began;
  },

  async load(name: string, id: string) {
    const messages: Message[] = [];
    let found = false;
    await lab.storage(name).load(
      id,
      (content) => messages.push(content),
      (result) => {
        found = result;
      },
    );
    return { found, messages };
  },

  async loadAll(name: string, count: number, prefix = "co_z") {
    const began = performance.now();
    let found = 0;
    for (let n = 0; n < count; n++) if ((await lab.load(name, `${prefix}${n}`)).found) found++;
    return { found, ms: performance.now() - began };
  },

  /** Runs the checks of files or the cases for bindings in a worker. */
  async suite(what: "files" | "cases") {
    const worker = new Worker(new URL("./suite-worker.mjs", import.meta.url), { type: "module" });
    const said = (event: "message") =>
      new Promise((resolve, reject) => {
        worker.addEventListener(event, ({ data }) => resolve(data), { once: true });
        worker.onerror = ({ message }) => reject(new Error(message));
      });
    await said("message");
    worker.postMessage(what);
    const result = await said("message");
    worker.terminate();
    return result as { failed: number; lines: string[] };
  },

  /** Has a shared worker store messages; gives how many were acknowledged, or what it fails with. */
  async shared(name: string, count: number) {
    const { port } = new SharedWorker(new URL("./shared.ts", import.meta.url), { type: "module" });
    port.postMessage({ name, count });
    return await new Promise((resolve) => {
      port.onmessage = ({ data }) => resolve(data);
    });
  },

  /** Has a dedicated worker of this page do something, of `own-worker.ts`. */
  async own(...what: unknown[]) {
    own ??= new Worker(new URL("./own-worker.ts", import.meta.url), { type: "module" });
    own.postMessage(what);
    const { result, error } = await new Promise<{ result?: unknown; error?: { message: string } }>(
      (resolve) => {
        own?.addEventListener("message", ({ data }) => resolve(data), { once: true });
      },
    );
    if (error) throw new Error(error.message);
    return result;
  },

  endOwn() {
    own?.terminate();
    own = undefined;
  },

  stats: (name: string) => lab.storage(name).stats(),
  verify: (name: string) => lab.storage(name).verify(),
  close: async (name: string) => lab.storage(name).close(),

  storage(name: string): JazzNativeStorage {
    const storage = storages.get(name);
    if (!storage) throw new Error(`${name} is not open`);
    return storage;
  },
};

Object.assign(globalThis, { lab });
