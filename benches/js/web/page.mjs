/** What a page does to a storage while the clock runs: the same for every storage. The runner calls it from outside. */
import { Consumer } from "../src/consumer.mjs";
import { transactionsOf } from "../src/messages.mjs";
import { inTurns, valuesOf } from "./workloads.mjs";

/**
 * @typedef {import("cojson").StorageAPI} StorageAPI
 * @typedef {import("./workloads.mjs").ContentMessage} ContentMessage
 * @typedef {import("./workloads.mjs").Workload} Workload
 *
 * @typedef {object} Task
 * @property {Workload} workload
 * @property {number} seed
 * @property {number} window how many operations are in flight
 *
 * @typedef {object} Bench
 * @property {(name: string) => Promise<void>} open
 * @property {(name: string, task: Task) => Promise<void>} prepare makes what the task needs, and waits until that has been digested
 * @property {(name: string, task: Task) => Promise<number>} store gives milliseconds
 * @property {(name: string, task: Task) => Promise<number>} load every value, in milliseconds
 * @property {(name: string, task: Task) => Promise<number>} verify throws unless what is loaded is what was stored; gives the values
 * @property {(name: string) => Promise<void>} close
 * @property {Promise<number> | undefined} first milliseconds from the start of the page to its first value
 */

/** How long garbage of what was made may take. */
const DIGESTION_MS = 300;

/**
 * Offers it to the runner. A page whose address has `#first=NAME,ID` loads that value at once.
 *
 * @param {(name: string) => Promise<StorageAPI>} open
 */
export function expose(open) {
  /** @type {Map<string, StorageAPI>} */
  const storages = new Map();
  const storageOf = (/** @type {string} */ name) => {
    const storage = storages.get(name);
    if (!storage) throw new Error(`${name} is not open`);
    return storage;
  };

  /** @type {{ key: string, made: ReturnType<typeof valuesOf>, messages: ContentMessage[] } | undefined} */
  let prepared;
  const made = (/** @type {Task} */ { workload, seed }) => {
    const key = JSON.stringify([workload, seed]);
    if (prepared?.key !== key) {
      const values = valuesOf(workload, seed);
      prepared = { key, made: values, messages: inTurns(values.values) };
    }
    return prepared;
  };

  /** @type {Bench} */
  const bench = {
    async open(name) {
      storages.set(name, await open(name));
    },

    async prepare(_name, task) {
      made(task);
      await new Promise((digested) => setTimeout(digested, DIGESTION_MS));
    },

    async store(name, task) {
      const storage = storageOf(name);
      const store = async (/** @type {ContentMessage} */ message) => {
        await new Promise((done) => {
          storage.store(message, refuseCorrection, () => done(undefined));
        });
      };
      for (const owner of made(task).made.owners) await store(owner);
      return await inFlight(task.window, made(task).messages, store);
    },

    async load(name, task) {
      const storage = storageOf(name);
      const { workload, window } = task;
      const ids = made(task).made.values.map(([message]) => message?.id ?? "");
      const consumer = new Consumer();
      const took = await inFlight(window, ids, (id) => load(storage, id, consumer.take));
      const expected = workload.values * workload.messages * workload.transactions;
      if (consumer.transactions !== expected) {
        throw new Error(`${consumer.transactions} transactions of ${expected} were loaded`);
      }
      return took;
    },

    async verify(name, task) {
      const storage = storageOf(name);
      const { values } = made(task).made;
      for (const stored of values) {
        const id = stored[0]?.id ?? "";
        /** @type {ContentMessage[]} */
        const loaded = [];
        await load(storage, id, (message) => message.id === id && loaded.push(message));
        const [given, kept] = [stored, loaded].map((messages) => JSON.stringify(transactionsOf(messages)));
        if (given !== kept) throw new Error(`${id}: what is loaded is not what was stored`);
      }
      return values.length;
    },

    async close(name) {
      await storageOf(name).close();
    },

    first: undefined,
  };

  const [, name, id] = /^#first=(.+),(.+)$/.exec(location.hash) ?? [];
  if (name && id) {
    bench.first = (async () => {
      await load(await open(name), id, () => {});
      return performance.now();
    })();
  }
  Object.assign(globalThis, { bench });
}

/**
 * Does something with each item, so many at a time, and gives the milliseconds that all took.
 *
 * @template T
 * @param {number} window
 * @param {readonly T[]} items
 * @param {(item: T) => Promise<void>} work
 */
async function inFlight(window, items, work) {
  let next = 0;
  const one = async () => {
    while (next < items.length) await work(/** @type {T} */ (items[next++]));
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: window }, one));
  return performance.now() - began;
}

/**
 * @param {StorageAPI} storage
 * @param {string} id
 * @param {(message: ContentMessage) => void} take
 */
async function load(storage, id, take) {
  const found = await new Promise((done) => {
    storage.load(id, take, done);
  });
  if (!found) throw new Error(`${id} is not stored`);
}

/** @returns {never} */
function refuseCorrection() {
  throw new Error("the storage asks for a correction of what it was given in order");
}
