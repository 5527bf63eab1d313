/**
 * What the killed processes do, as a function of a seed: operation `n` depends on the seed, on `n`, and on what the
 * operations before it left. So whoever knows how many operations were done knows all that a store must hold.
 *
 * The content of a transaction depends on the seed, its session and its index alone, and a signature on where it stands.
 */

export const PEERS = ["server", "peer_é"];
/** Units of changes above which a chunk signature is kept: small, so that there are many. */
export const CHUNK_THRESHOLD = 4096;

const HEADER = { type: "comap", ruleset: { type: "unsafeAllowAll" }, meta: null, createdAt: null };
const SESSIONS = ["co_zA_session_z1", "co_zA_session_z2", "co_zB_session_zé", "co_zC_session_z1"];
const DELETE_SESSION = "co_zA_session_d1$";
/** CoValues that are not deleted, at most. */
const ALIVE = 40;

/** Numbers from 0 to 1, the same for the same seeds. A counter, its bits mixed twice. */
export function seeded(...seeds) {
  let state = seeds.reduce((sum, seed) => mixed((sum ^ seed) + 0x9e3779b9), 0);
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return mixed(state) / 2 ** 32;
  };
}

function mixed(number) {
  let bits = number >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return (bits ^ (bits >>> 15)) >>> 0;
}

function hashOf(text) {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = mixed(hash ^ text.charCodeAt(i));
  return hash;
}

const below = (random, end) => Math.floor(random() * end);
const pick = (random, items) => items[below(random, items.length)];

export const headerOf = (id) => ({ ...HEADER, uniqueness: id });
export const signatureOf = (id, session, end) => `signature_z${id}/${session}/${end}`;

export function transactionOf(seed, id, session, index) {
  const random = seeded(seed, hashOf(id), hashOf(session), index);
  const size = random();
  const length = size < 0.004 ? 120_000 : size < 0.06 ? 1500 + below(random, 3000) : 10 + below(random, 150);
  const text = `${id} ${session} ${index}${random() < 0.1 ? " é\ud800𝄞" : ""} `;
  const changes = text.repeat(Math.ceil(length / text.length)).slice(0, length);
  const madeAt = 1_700_000_000_000 + index;
  return random() < 0.3
    ? { changes, madeAt, privacy: "trusting" }
    : {
        encryptedChanges: changes,
        keyUsed: random() < 0.8 ? "key_z1" : "key_z2",
        madeAt,
        privacy: "private",
      };
}

const unitsOf = ({ changes, encryptedChanges }) => (changes ?? encryptedChanges).length;

/** What a store holds. Plain data, so that it can be given to another process. */
export function emptyState() {
  return { ids: [], values: {}, pending: [], unsynced: [] };
}

/**
 * Operation `n` of a store that holds `state`:
 * `{ kind: "store", message, deletes }`, `{ kind: "track", updates }` or `{ kind: "erase" }`.
 */
export function operation(seed, n, state) {
  const random = seeded(seed, n);
  const alive = state.ids.filter((id) => !state.values[id].deleted);
  const kind = random();
  if (kind < 0.03 && state.pending.length > 0) return { kind: "erase" };
  if (kind < 0.1 && alive.length > 0) {
    const updates = Array.from({ length: 1 + below(random, 3) }, () => ({
      id: pick(random, alive),
      peerId: pick(random, PEERS),
      synced: random() < 0.5,
    }));
    return { kind: "track", updates };
  }
  if (kind < 0.13 && alive.length > ALIVE / 2) {
    const id = pick(random, alive);
    return { kind: "store", deletes: true, message: messageOf(seed, id, state, [[DELETE_SESSION, 1, 0]]) };
  }
  const creates = alive.length === 0 || (alive.length < ALIVE && kind < 0.3);
  const id = creates ? `co_z${state.ids.length}` : pick(random, alive);
  const parts = new Map();
  for (let count = 1 + below(random, 3); count > 0; count--) {
    // Now and then what is stored already comes again, before what is new.
    const again = random() < 0.1 ? 1 + below(random, 3) : 0;
    const session = pick(random, SESSIONS);
    parts.set(session, [session, 1 + below(random, 4), again]);
  }
  return { kind: "store", deletes: false, message: messageOf(seed, id, state, [...parts.values()]) };
}

function messageOf(seed, id, state, parts) {
  const message = { action: "content", id, header: headerOf(id), priority: 3, new: {} };
  for (const [session, count, again] of parts) {
    const stored = state.values[id]?.sessions[session]?.count ?? 0;
    const after = Math.max(0, stored - again);
    const newTransactions = [];
    for (let index = after; index < stored + count; index++)
      newTransactions.push(transactionOf(seed, id, session, index));
    message.new[session] = {
      after,
      lastSignature: signatureOf(id, session, stored + count),
      newTransactions,
    };
  }
  return message;
}

/**
 * The steps of an operation on `state`, each of which is stored wholly or not at all: functions that change the state
 * they are given and tell which ids they touched.
 */
export function stepsOf(operation, state) {
  switch (operation.kind) {
    case "store":
      return [(state) => storeMessage(state, operation)];
    case "track":
      return [(state) => trackSyncState(state, operation.updates)];
    case "erase":
      return state.pending.map((id) => (state) => eraseValue(state, id));
    default:
      throw new Error(`there is no operation ${operation.kind}`);
  }
}

function storeMessage(state, { message, deletes }) {
  const { id } = message;
  if (!state.values[id]) {
    state.ids.push(id);
    state.values[id] = { deleted: false, sessions: {} };
  }
  const value = state.values[id];
  for (const [session, { after, newTransactions }] of Object.entries(message.new)) {
    value.sessions[session] ??= { count: 0, units: 0, chunks: [] };
    const stored = value.sessions[session];
    for (const transaction of newTransactions.slice(stored.count - after))
      stored.units += unitsOf(transaction);
    stored.count = after + newTransactions.length;
    if (stored.units > CHUNK_THRESHOLD) {
      stored.chunks.push(stored.count);
      stored.units = 0;
    }
  }
  if (deletes) {
    value.deleted = true;
    state.pending = [...state.pending, id].sort();
  }
  return [id];
}

function trackSyncState(state, updates) {
  const unsynced = new Set(state.unsynced);
  for (const { id, peerId, synced } of updates) unsynced[synced ? "delete" : "add"](`${id} ${peerId}`);
  state.unsynced = [...unsynced].sort();
  return [];
}

function eraseValue(state, id) {
  const { sessions } = state.values[id];
  for (const session of Object.keys(sessions)) if (!session.endsWith("$")) delete sessions[session];
  state.pending = state.pending.filter((other) => other !== id);
  return [id];
}

/** What is to be found of a value: its sessions in their order, each with the places where a signature is kept. */
export function summaryOf({ sessions }) {
  const summary = Object.entries(sessions).map(([session, { count, chunks }]) => {
    const ends = chunks.at(-1) === count ? chunks : [...chunks, count];
    return `${session}: ${ends.join(" ")}`;
  });
  return summary.join("; ");
}

/** The lists that are to be found: all ids in the order of creation, those to be erased, those not synced. */
export function listsOf({ ids, pending, unsynced }) {
  const notSynced = new Set(unsynced.map((pair) => pair.split(" ")[0]));
  return { ids, pending, unsynced: [...notSynced].sort() };
}
