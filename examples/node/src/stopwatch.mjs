/**
 * Time spent inside a storage. What the node does in the storage's callbacks (verifying, decrypting) is not counted.
 * Only for storages that do their work before a method returns, as the sync flavour does.
 */

/**
 * @typedef {import("cojson").StorageAPI} StorageAPI
 * @typedef {"store" | "load"} Kind
 *
 * @typedef {object} Spent
 * @property {number} store milliseconds
 * @property {number} load milliseconds
 * @property {number} stores messages given to the storage
 * @property {number} stored those reported stored
 */

/**
 * Replaces methods of the storage by ones that are timed.
 *
 * @param {StorageAPI} storage
 * @returns {Spent} grows as the storage works
 */
export function timeStorage(storage) {
  /** @type {Spent} */
  const spent = { store: 0, load: 0, stores: 0, stored: 0 };
  /** @type {(Kind | "node")[]} */
  const running = [];
  let since = 0;
  const charge = () => {
    const now = performance.now();
    const kind = running.at(-1);
    if (kind && kind !== "node") spent[kind] += now - since;
    since = now;
  };
  /**
   * @template {unknown[]} Parameters
   * @template Result
   * @param {Kind | "node"} kind
   * @param {(...parameters: Parameters) => Result} action
   * @returns {(...parameters: Parameters) => Result}
   */
  const timed =
    (kind, action) =>
    (...parameters) => {
      charge();
      running.push(kind);
      try {
        return action(...parameters);
      } finally {
        charge();
        running.pop();
      }
    };

  const store = timed("store", storage.store.bind(storage));
  storage.store = (message, correction, done) => {
    spent.stores += 1;
    const stored = () => {
      spent.stored += 1;
      done?.();
    };
    return store(message, timed("node", correction), timed("node", stored));
  };
  const load = timed("load", storage.load.bind(storage));
  storage.load = (id, callback, done) =>
    load(
      id,
      timed("node", callback),
      timed("node", (found) => done?.(found)),
    );
  const { streamingQueue } = storage;
  if (streamingQueue) {
    const push = streamingQueue.push.bind(streamingQueue);
    streamingQueue.push = (entry, priority) => push(timed("load", entry), priority);
  }
  return spent;
}
