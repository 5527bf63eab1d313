/**
 * The engine's side: stores and loads for any number of connections, one operation after another.
 *
 * - Each connection has a handle of its own on the one store, so that what belongs to a handle (a batch that follows the one
 *   before it) belongs to the connection.
 * - Creating files needs free ones, which can only be made between operations: some are there before each of them.
 * - At the level `relaxed` what was stored is synced a second later.
 * - What a loaded value depends on goes along with it, unless it was given to the same connection lately.
 * - The engine leaves maintenance to us: it is done in slices between messages, never before an answer.
 * - What takes long is done in slices as well, each a turn among what there is to do, and answered when it is done.
 * - What the engine throws without a code means that it is broken (a trap of WebAssembly): nothing is answered from then on,
 *   and `onBroken` is told.
 */
import type { NativeStorageErrorCode } from "../errors.js";
import { BATCH_FOLLOWS } from "../generated/definitions.js";
import type { NativeBinding, NativeStorage, StorageStats, StorageTask } from "../generated/native.js";
import { ARCHIVES, type Archives } from "../host/archives.js";
import type { Hosting } from "../jazz-native-storage.js";
import { likelyDependencies } from "./dependencies.js";
import type { PostedError } from "./failure.js";
import { FrameReader, FrameWriter, isUpkeep, type RemoteMethod, Several } from "./frames.js";
import { type FromServer, type OpenRequest, type ToServer, VERSIONS, type Versions } from "./protocol.js";

/** Free files there are before an operation; one creates two or three at most, unless it rewrites the whole store. */
const SPARE_LOW = 4;
const SPARE = 8;
/** Files that compacting may create for each that there is, and besides. */
const SPARE_TO_COMPACT = 2;
/** How long what was stored at level `relaxed` may wait to be synced. */
const SYNC_AFTER_MS = 1000;

/** Pieces of an archive, of a megabyte or two, that may be on their way; and how long one that lags behind is waited for. */
const MOST_UNTAKEN = 4;
const LAG_MS = 20;

/** Bytes of work in a slice of maintenance: at least, and for each byte that was stored since the last one. */
const LEAST_WORK = 64 * 1024;
const WORK_PER_BYTE = 8;

/** Ids of what was given to a connection, of which so many are remembered. */
const MOST_GIVEN = 10_000;

/** The files there are. */
export interface Files {
  readonly spare: number;
  refill(spare: number): Promise<void>;
  readonly isUnsettled: boolean;
  settle(): Promise<void>;
}

/** A way to the other side. */
export interface ServerPort {
  post(message: FromServer): void;
}

export interface ServerOptions {
  /** Names the engine. */
  readonly engine: string;
  readonly binding: NativeBinding;
  /** Where the store is; none in memory. */
  readonly path: string | undefined;
  readonly files: Files | undefined;
  /** Where archives are written to; none if the module has no file system. */
  readonly archives: Archives;
  readonly onBroken: (error: unknown) => void;
}

type Methods = Record<string, (...args: unknown[]) => unknown>;

/** What there is to do; a promise of it if it takes more than a turn. */
type Work = () => Promise<void> | void;

interface Client {
  readonly port: ServerPort;
  readonly isHere: boolean;
  readonly answers: FrameWriter;
  storage: NativeStorage | undefined;
  failure: PostedError | undefined;
  readonly tasks: Map<number, StorageTask>;
  /** Ids of what it was given, and may still have; not all of them, so that they take little. */
  readonly given: Set<string>;
  /** Whether it has stored anything: a batch can only follow what came before it on this connection. */
  hasStored: boolean;
  /** Pieces of archives that it has not taken yet. */
  untaken: number;
}

export class Server {
  readonly #clients = new Set<Client>();
  readonly #queue: Work[] = [];
  #running: Promise<void> | undefined;
  #syncTimer: ReturnType<typeof setTimeout> | undefined;
  #broken = false;
  /** Bytes stored since the last slice of maintenance. */
  #stored = 0;
  #maintenance: ReturnType<typeof setTimeout> | undefined;
  #archives = 0;

  constructor(private readonly options: ServerOptions) {}

  /** Settled when a slice of what takes long may be done; what comes after that waits until it is. */
  readonly turn = async (): Promise<void> => {
    await nextTurn();
    // A page that lags behind does not make this side keep what it has not taken.
    while ([...this.#clients].some(({ untaken }) => untaken > MOST_UNTAKEN)) await pause(LAG_MS);
    await new Promise<void>((resolve) => {
      this.#later(() => {
        const ready = this.#lacksFiles ? this.#refill(SPARE) : Promise.resolve();
        return ready.then(resolve).then(nextTurn);
      });
    });
  };

  /** Serves a connection, of the same page if it is here. Gives what to do with its messages, and what to do at its end. */
  connect(port: ServerPort, isHere: boolean): { receive: (message: ToServer) => void; end: () => void } {
    const client: Client = {
      port,
      answers: new FrameWriter(),
      storage: undefined,
      failure: undefined,
      tasks: new Map(),
      given: new Set(),
      isHere,
      hasStored: false,
      untaken: 0,
    };
    this.#clients.add(client);
    return {
      receive: (message) => this.#received(client, message),
      end: () => this.#later(() => this.#end(client)),
    };
  }

  /** Answers nothing from now on; settled when nothing is done any more, and no store is open. */
  async stop(): Promise<void> {
    clearTimeout(this.#syncTimer);
    clearTimeout(this.#maintenance);
    const clients = [...this.#clients];
    const wasBroken = this.#broken;
    this.#broken = true;
    await this.#running;
    // What an engine that is broken has written is in the log.
    if (!wasBroken) for (const client of clients) close(client);
  }

  #received(client: Client, message: ToServer): void {
    if (message instanceof Uint8Array) {
      this.#later(() => this.#answer(client, new FrameReader(message)));
    } else if (message.kind === "open") {
      const { request, versions } = message;
      this.#later(() => this.#open(client, request, versions));
    } else if (message.kind === "taken") {
      client.untaken--;
    } else {
      // After what was asked for before, which may be the task.
      this.#later(() => client.tasks.get(message.task)?.cancel());
    }
  }

  /** Does something after what was asked for before: at once, unless that takes more than a turn. */
  #later(work: Work): void {
    this.#queue.push(work);
    if (!this.#running) this.#run();
  }

  #run(): void {
    for (let work = this.#queue.shift(); work && !this.#broken; work = this.#queue.shift()) {
      const working = work();
      if (!working) continue;
      this.#running = working.finally(() => {
        this.#running = undefined;
        this.#run();
      });
      return;
    }
  }

  #open(client: Client, request: OpenRequest, { protocol, abi }: Versions): void {
    const { binding, path } = this.options;
    try {
      if (protocol !== VERSIONS.protocol || abi !== VERSIONS.abi) throw OTHER_VERSION;
      const storage = binding.NativeStorage.open({ ...request, path, callerMaintains: true });
      this.#maintainLater();
      storage.onEvent((event) => client.port.post({ kind: "event", event }));
      client.storage = storage;
      client.port.post({ kind: "opened" });
    } catch (error) {
      const failure = this.#posted(error);
      if (!failure) return;
      client.failure = failure;
      client.port.post({ kind: "opened", error: failure });
    }
  }

  #end(client: Client): void {
    if (this.#clients.delete(client) && !this.#broken) close(client);
  }

  #answer(client: Client, calls: FrameReader): Promise<void> | undefined {
    while (calls.hasMore) {
      const call = calls.call();
      if (isUpkeep(call.method)) {
        void this.#answerAside(client, calls, call);
        return undefined;
      }
      if (this.#lacksFiles) {
        return this.#answerSlowly(client, calls, call);
      }
      try {
        client.answers.value(this.#call(client, call));
      } catch (error) {
        if (!this.#answerError(client, error)) return undefined;
      }
    }
    client.port.post(client.answers.take(calls.from, calls.connection));
    return undefined;
  }

  /** Answers a call that takes long, the only one of its frame, when it is done. Others are answered meanwhile. */
  async #answerAside(client: Client, { from, connection }: FrameReader, call: Call): Promise<void> {
    const answer = new FrameWriter();
    try {
      answer.value(await this.#upkeep(client, call));
    } catch (error) {
      const posted = this.#posted(error);
      if (!posted) return;
      answer.error(posted);
    }
    client.port.post(answer.take(from, connection));
  }

  /** Answers a call that needs more than the files there are, and then the others. */
  async #answerSlowly(client: Client, calls: FrameReader, call: Call): Promise<void> {
    try {
      await this.#refill(SPARE);
      client.answers.value(this.#call(client, call));
    } catch (error) {
      if (!this.#answerError(client, error)) return;
    }
    await this.#answer(client, calls);
  }

  /** False if there is nothing to be answered any more. */
  #answerError(client: Client, error: unknown): boolean {
    const posted = this.#posted(error);
    if (posted) client.answers.error(posted);
    return posted !== undefined;
  }

  #call(client: Client, { method, args }: Call): unknown {
    const storage = storageOf(client);
    const stores = method === "store" || method === "storeBatch";
    if (method === "storeBatch" && !client.hasStored && follows(args[0] as Uint8Array))
      return NOTHING_HANDLED;
    if (method === "loadWithDependencies") return gather(client, storage, args as [Uint8Array, number]);
    const result = (storage as unknown as Methods)[method]?.(...args);
    if (method === "stats") return { ...(result as StorageStats), hosting: this.#hosting(client) };
    if (stores) {
      client.hasStored = true;
      this.#stored += (args[0] as Uint8Array).length;
      this.#syncLater();
      this.#maintainLater();
    }
    return result;
  }

  #upkeep(client: Client, { method, args }: Call): Promise<unknown> {
    const storage = storageOf(client);
    if (method === "compact") return this.#compact(storage);
    const number = args[0] as number;
    return this.#watched<unknown>(client, number, (task) =>
      method === "verify" ? storage.verifyAsync(task) : this.#archive(client, storage, number, task),
    );
  }

  #hosting({ isHere }: Client): Hosting {
    return { engine: this.options.engine, isHere, connections: this.#clients.size };
  }

  /** Sends the pieces of an archive as they are made. */
  async #archive(client: Client, storage: NativeStorage, number: number, task: StorageTask): Promise<void> {
    const { archives } = this.options;
    const name = String(++this.#archives);
    let at = 0;
    archives.receive(name, (bytes) => {
      client.untaken++;
      client.port.post({ kind: "piece", task: number, at, bytes });
      at += bytes.length;
    });
    try {
      await storage.backupAsync({ file: `/${ARCHIVES}/${name}` }, task);
    } finally {
      archives.forget(name);
    }
  }

  async #compact(storage: NativeStorage): Promise<void> {
    const { runs, segments } = storage.stats();
    // Beside what others ask for: making files takes long, and disturbs nobody.
    await this.#refill(SPARE + SPARE_TO_COMPACT * (runs + segments));
    await storage.compactAsync();
  }

  async #watched<T>(client: Client, number: number, run: (task: StorageTask) => Promise<T>): Promise<T> {
    const task = new this.options.binding.StorageTask();
    client.tasks.set(number, task);
    task.onProgress((progress) => client.port.post({ kind: "progress", task: number, progress }));
    try {
      return await run(task);
    } finally {
      client.tasks.delete(number);
    }
  }

  get #lacksFiles(): boolean {
    const { files } = this.options;
    return files !== undefined && files.spare < SPARE_LOW;
  }

  async #refill(spare: number): Promise<void> {
    try {
      await this.options.files?.refill(spare);
    } catch {
      // The operation goes as far as the files there are: without one, it is told that the disk is full.
    }
  }

  #syncLater(): void {
    if (this.#syncTimer !== undefined || !this.options.files) return;
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = undefined;
      this.#later(() => this.#sync());
    }, SYNC_AFTER_MS);
  }

  #maintainLater(): void {
    this.#maintenance ??= setTimeout(() => {
      this.#maintenance = undefined;
      this.#later(() => this.#maintain());
    });
  }

  #maintain(): Promise<void> | undefined {
    if (this.#lacksFiles) return this.#refill(SPARE).then(() => this.#maintainNow());
    this.#maintainNow();
    return undefined;
  }

  #maintainNow(): void {
    const work = Math.max(LEAST_WORK, WORK_PER_BYTE * this.#stored);
    this.#stored = 0;
    try {
      if (this.#anyStorage()?.maintain(work)) this.#maintainLater();
    } catch (error) {
      this.#posted(error);
    }
  }

  /** A handle on the store: it is one, whoever has it. */
  #anyStorage(): NativeStorage | undefined {
    for (const { storage } of this.#clients) if (storage) return storage;
    return undefined;
  }

  async #sync(): Promise<void> {
    const { files } = this.options;
    try {
      // The last handle that is closed syncs by itself.
      this.#anyStorage()?.flush();
      await files?.settle();
      if (files?.isUnsettled) this.#syncLater();
    } catch (error) {
      // The store tells those who listen, and whoever stores next.
      this.#posted(error);
    }
  }

  /** An error as it is posted; nothing if it means that the engine is broken. */
  #posted(error: unknown): PostedError | undefined {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (typeof code === "string") return { code: code as NativeStorageErrorCode, message: String(message) };
    if (!this.#broken) {
      this.#broken = true;
      this.options.onBroken(error);
    }
    return undefined;
  }
}

/** Settled after what has come by now. A timeout would be four milliseconds late. */
function nextTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((over) => setTimeout(over, ms));
}

function close({ storage, tasks }: Client): void {
  for (const task of tasks.values()) task.cancel();
  try {
    storage?.close();
  } catch {
    // Nobody is there to be told; what was acknowledged is in the log.
  }
}

interface Call {
  readonly method: RemoteMethod;
  readonly args: unknown[];
}

function storageOf({ storage, failure }: Client): NativeStorage {
  if (!storage) throw failure ?? { code: "INTERNAL", message: "no store was opened" };
  return storage;
}

/**
 * A value, and then the id and the content of everything that it depends on and that was not given lately: no content if it
 * is not stored.
 */
function gather({ given }: Client, storage: NativeStorage, [id, budget]: [Uint8Array, number]): unknown {
  const root = storage.load(id, budget);
  if (!root) return undefined;
  if (given.size > MOST_GIVEN) given.clear();
  given.add(new TextDecoder().decode(id));
  const parts = [root];
  let left = budget - root.length;
  for (const queue = [root]; ; ) {
    const value = queue.pop();
    if (!value) return new Several(parts);
    for (const dependency of likelyDependencies(value)) {
      if (given.has(dependency) || left <= 0) continue;
      const name = new TextEncoder().encode(dependency);
      const content = readable(storage, name, left);
      if (!content) continue;
      parts.push(name, content);
      if (content.length === 0) continue;
      given.add(dependency);
      left -= content.length;
      queue.push(content);
    }
  }
}

/** The content of a value that can be read: of others the other side learns when it asks for them. */
function readable(storage: NativeStorage, id: Uint8Array, budget: number): Uint8Array | undefined {
  try {
    return storage.load(id, budget) ?? new Uint8Array();
  } catch (error) {
    if (typeof (error as { code?: unknown }).code !== "string") throw error;
    return undefined;
  }
}

const OTHER_VERSION: PostedError = {
  code: "BINDING_VERSION",
  message: "the tab that has the database open runs another version of the app: reload all of its tabs",
};

/** A batch's outcome where none of its messages was handled. */
const NOTHING_HANDLED = new Uint8Array(4);

function follows(batch: Uint8Array): boolean {
  return new DataView(batch.buffer, batch.byteOffset).getUint32(0, true) >= BATCH_FOLLOWS;
}
