/** What the tests share: stores in temporary directories, messages as cojson makes them, and loads as promises. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CojsonInternalTypes, logger, type RawCoID, type SessionID } from "cojson";
import { onTestFinished, vi } from "vitest";
import {
  createNativeStorage,
  type DegradedEvent,
  type JazzNativeStorage,
  type NativeStorageOptions,
} from "../src/index.js";

export { FLAVOURS } from "./flavours.js";

export type Message = CojsonInternalTypes.NewContentMessage;
export type Transaction = CojsonInternalTypes.Transaction;
export type KnownState = CojsonInternalTypes.CoValueKnownState;
export type Header = CojsonInternalTypes.CoValueHeader;

/** A directory that is removed after the test, on a RAM disk where there is one. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "jazz-native-storage-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Opens a storage that is closed after the test; a degradation that the test does not ask for fails it. */
export async function open(options: NativeStorageOptions): Promise<JazzNativeStorage> {
  const unexpected: DegradedEvent[] = [];
  const storage = await createNativeStorage({ onDegraded: (event) => unexpected.push(event), ...options });
  onTestFinished(async () => {
    await storage.close();
    if (unexpected[0]) throw unexpected[0].error;
  });
  return storage;
}

export const HEADER = {
  type: "comap",
  ruleset: { type: "unsafeAllowAll" },
  meta: null,
  uniqueness: "z123",
  createdAt: "2024-01-01T00:00:00.000Z",
} as unknown as Header;

export const GROUP_HEADER = {
  ...HEADER,
  ruleset: { type: "group", initialAdmin: "sealer_z1/signer_z1" },
} as Header;

export function ownedBy(group: string): Header {
  return { ...HEADER, ruleset: { type: "ownedByGroup", group } } as unknown as Header;
}

export function trusting(changes: string, more: object = {}): Transaction {
  return { changes, madeAt: 1_700_000_000_000, ...more, privacy: "trusting" } as unknown as Transaction;
}

export function secret(changes: string, key = "key_z1"): Transaction {
  return {
    encryptedChanges: `encrypted_U${changes}`,
    keyUsed: key,
    madeAt: 1_700_000_000_000,
    privacy: "private",
  } as unknown as Transaction;
}

export const SESSION = "sealer_z1/signer_z1_session_z1";

export interface SessionPart {
  after?: number;
  transactions: readonly Transaction[];
  signature?: string;
}

export function message(id: string, sessions: Record<string, SessionPart>, header?: Header): Message {
  const parts: Message["new"] = {};
  for (const [session, { after = 0, transactions, signature }] of Object.entries(sessions)) {
    parts[session as SessionID] = {
      after,
      lastSignature: (signature ?? `signature_z${after + transactions.length}`) as `signature_z${string}`,
      newTransactions: [...transactions],
    };
  }
  return { action: "content", id: id as RawCoID, header, priority: 3, new: parts };
}

/** A message of one session. */
export function single(
  id: string,
  transactions: readonly Transaction[],
  header?: Header,
  after = 0,
): Message {
  return message(id, { [SESSION]: { after, transactions } }, header);
}

/** Stores a message and waits until it is; fails if a correction is asked for. */
export async function store(storage: JazzNativeStorage, content: Message): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    storage.store(
      content,
      (knownState) => {
        reject(new Error(`a correction was asked for: ${JSON.stringify(knownState)}`));
        return undefined;
      },
      resolve,
    );
  });
}

export interface Loaded {
  readonly found: boolean;
  readonly messages: Message[];
}

/** All messages of a load, those of the streaming queue included. */
export async function load(storage: JazzNativeStorage, id: string): Promise<Loaded> {
  const messages: Message[] = [];
  let found: boolean | undefined;
  await storage.load(
    id,
    (content) => messages.push(content),
    (result) => {
      found = result;
    },
  );
  drain(storage);
  if (found === undefined) throw new Error("done was not called");
  return { found, messages };
}

export function drain(storage: JazzNativeStorage): void {
  for (let next = storage.streamingQueue?.pull(); next; next = storage.streamingQueue?.pull()) next();
}

/** The content of a value, put together from the messages of a load. */
export function assemble(messages: readonly Message[], id: string) {
  const sessions: Record<string, { transactions: Transaction[]; signature: string }> = {};
  let header: Header | undefined;
  for (const content of messages.filter((each) => each.id === id)) {
    header = content.header;
    for (const [session, part] of Object.entries(content.new)) {
      sessions[session] ??= { transactions: [], signature: "" };
      const whole = sessions[session];
      if (whole.transactions.length !== part.after) throw new Error(`${session} is cut at ${part.after}`);
      for (const transaction of part.newTransactions) whole.transactions.push(transaction);
      whole.signature = part.lastSignature;
    }
  }
  return { header, sessions };
}

export async function loadWhole(storage: JazzNativeStorage, id: string) {
  const { found, messages } = await load(storage, id);
  if (!found) throw new Error(`${id} is not stored`);
  return assemble(messages, id);
}

export function loadKnownState(storage: JazzNativeStorage, id: string): Promise<KnownState | undefined> {
  return new Promise((resolve) => storage.loadKnownState(id, resolve));
}

export function coValueIds(storage: JazzNativeStorage): Promise<string[]> {
  return new Promise((resolve) =>
    storage.getCoValueIDs(1_000_000, 0, (batch) => resolve(batch.map(({ id }) => id))),
  );
}

/** Keeps what the test provokes out of the output, and tells what it was. */
export function silence(level: "error" | "warn") {
  const spy = vi.spyOn(logger, level).mockImplementation(() => {});
  onTestFinished(() => spy.mockRestore());
  return spy;
}
