/**
 * What is done to a storage while the clock runs. It is the same code for every storage; what it costs by itself is what
 * the floor `nothing` measures. Loaded messages are looked at, transaction by transaction, and let go of.
 */
import { startMeasuring } from "./machine.mjs";

/**
 * @typedef {import("cojson").StorageAPI} StorageAPI
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 * @typedef {import("cojson").CojsonInternalTypes.CoValueKnownState} KnownState
 * @typedef {import("./machine.mjs").Cost} Cost
 */

/**
 * Stores messages in their order, at most `window` of them in flight. A storage of the sync flavour never has one in
 * flight when it returns.
 *
 * @param {StorageAPI} storage
 * @param {readonly Message[]} messages
 * @param {number} window
 * @returns {Promise<{ cost: Cost, latencies: Float64Array }>} Milliseconds from the call to `done`, by message.
 */
export async function storeAll(storage, messages, window) {
  const latencies = new Float64Array(messages.length);
  let inFlight = 0;
  /** @type {(() => void) | undefined} */
  let wake;
  const room = (/** @type {number} */ most) =>
    new Promise((resolve) => {
      wake = () => {
        if (inFlight > most) return;
        wake = undefined;
        resolve(undefined);
      };
      wake();
    });

  const measured = startMeasuring();
  for (const [at, message] of messages.entries()) {
    if (inFlight >= window) await room(window - 1);
    inFlight += 1;
    const begin = performance.now();
    storage.store(message, refuseCorrection, () => {
      latencies[at] = performance.now() - begin;
      inFlight -= 1;
      wake?.();
    });
  }
  if (inFlight > 0) await room(0);
  return { cost: measured(), latencies };
}

/**
 * Loads values one after the other, each with all its content.
 *
 * @param {StorageAPI} storage
 * @param {readonly string[]} ids
 * @param {(message: Message) => void} consume
 * @returns {Promise<{ cost: Cost, latencies: Float64Array }>} Milliseconds until everything was delivered, by value.
 */
export async function loadAll(storage, ids, consume) {
  const latencies = new Float64Array(ids.length);
  /** @type {boolean | undefined} */
  let found;
  /** @type {(() => void) | undefined} */
  let wake;
  const done = (/** @type {boolean} */ stored) => {
    found = stored;
    wake?.();
  };

  const measured = startMeasuring();
  for (const [at, id] of ids.entries()) {
    const begin = performance.now();
    found = undefined;
    storage.load(id, consume, done);
    if (found === undefined) {
      await new Promise((resolve) => {
        wake = () => resolve(undefined);
      });
    }
    for (let rest = storage.streamingQueue?.pull(); rest; rest = storage.streamingQueue?.pull()) rest();
    latencies[at] = performance.now() - begin;
    if (!found) throw new Error(`${id} is not stored`);
  }
  return { cost: measured(), latencies };
}

/**
 * Asks for known states, one after the other.
 *
 * @param {StorageAPI} storage
 * @param {readonly string[]} ids
 * @returns {Promise<{ cost: Cost, states: (KnownState | undefined)[] }>}
 */
export async function loadKnownStates(storage, ids) {
  /** @type {(KnownState | undefined)[]} */
  const states = new Array(ids.length);
  let answered = 0;
  /** @type {(() => void) | undefined} */
  let wake;
  const answer = (/** @type {KnownState | undefined} */ state) => {
    states[answered] = state;
    answered += 1;
    wake?.();
  };

  const measured = startMeasuring();
  for (const [at, id] of ids.entries()) {
    storage.loadKnownState(id, answer);
    if (answered === at) {
      await new Promise((resolve) => {
        wake = () => resolve(undefined);
      });
    }
  }
  return { cost: measured(), states };
}

/**
 * @param {KnownState} state
 * @returns {never}
 */
function refuseCorrection(state) {
  throw new Error(`${state.id}: the storage asks for a correction of what it was given in order`);
}
