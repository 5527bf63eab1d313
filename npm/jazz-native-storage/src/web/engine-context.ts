/**
 * The engine of a database in this context, a dedicated worker: the one that leads, of all tabs that use the database.
 *
 * It serves connections of its own page over ports, and those of other contexts over channels, one for each connection. Who
 * is at the other end of a channel holds a lock as long as it lives, so its end is noticed.
 */
import type { NativeBinding } from "../generated/native.js";
import { ARCHIVES, Archives } from "../host/archives.js";
import { OpfsHost } from "../host/opfs-host.js";
import { OpfsPool, type SyncFileHandle } from "../host/opfs-pool.js";
import { unavailable } from "./failure.js";
import {
  type Control,
  channelName,
  clientLock,
  controlName,
  DIRECTORY,
  directoryOf,
  type Ready,
  storePath,
} from "./names.js";
import type { ToServer } from "./protocol.js";
import { Server, type ServerPort } from "./server.js";

/** The module of the engine, and how it is given its files. */
export interface EngineModule extends NativeBinding {
  setHost(host: OpfsHost): void;
  setTurns(turns: () => Promise<void>): void;
}

export interface EngineOptions {
  /** None: in memory, for this context alone. */
  readonly database: string | undefined;
  readonly module: EngineModule;
  /** Settled when the module can be used: files are opened meanwhile. */
  readonly loaded: Promise<unknown>;
  readonly onBroken: (error: unknown) => void;
}

/** The host of the module: it has one, for all databases of this context. */
const HOST = new OpfsHost();
export const ARCHIVE_FILES = new Archives();
HOST.mount(ARCHIVES, ARCHIVE_FILES);

export class EngineContext {
  readonly id = crypto.randomUUID();
  readonly #server: Server;
  readonly #control: BroadcastChannel | undefined;

  private constructor(
    private readonly database: string | undefined,
    private readonly pool: OpfsPool | undefined,
    { module, onBroken }: EngineOptions,
  ) {
    const path = database === undefined ? undefined : storePath(database);
    this.#server = new Server({
      binding: module,
      engine: this.id,
      path,
      files: pool,
      archives: ARCHIVE_FILES,
      onBroken,
    });
    module.setTurns(this.#server.turn);
    if (database === undefined) return;
    this.#control = new BroadcastChannel(controlName(database));
    this.#control.onmessage = ({ data }: MessageEvent<Control>) => this.#controlled(database, data);
  }

  /** Opens the files of a database, which nobody else may have open. */
  static async start(options: EngineOptions): Promise<EngineContext> {
    const { database, module, loaded } = options;
    const opening = database === undefined ? undefined : openPool(database);
    const [pool] = await Promise.all([opening, loaded.catch(notLoaded)]);
    module.setHost(HOST);
    if (database !== undefined && pool) mount(database, pool);
    return new EngineContext(database, pool, options);
  }

  /** Ends it, where this context goes on without it: lets go of all files. What was not answered is done by the next one. */
  async stop(): Promise<void> {
    this.#control?.close();
    await this.#server.stop();
    this.pool?.close();
  }

  /** Tells all contexts who leads. */
  announce(): void {
    this.#control?.postMessage({ kind: "leads", leader: this.id } satisfies Control);
  }

  /** Serves a connection of this context, or of the page that it belongs to. */
  serve(port: ServerPort): { receive: (message: ToServer) => void; end: () => void } {
    return this.#server.connect(port, true);
  }

  /** Serves a connection of another context, as long as that lives. */
  serveAfar(client: string, port: MessagePort | BroadcastChannel): void {
    const { database } = this;
    if (database === undefined) return;
    const { receive, end } = this.#server.connect({ post: (message) => port.postMessage(message) }, false);
    const gone = new AbortController();
    const finish = () => {
      gone.abort();
      port.close();
      end();
    };
    port.onmessage = ({ data }: MessageEvent<ToServer | null>) => {
      if (data === null) finish();
      else receive(data);
    };
    // Granted when the other side has ended.
    navigator.locks.request(clientLock(database, client), { signal: gone.signal }, finish).catch(() => {});
    port.postMessage({ kind: "ready" } satisfies Ready);
  }

  #controlled(database: string, message: Control): void {
    if (message.kind === "who") this.announce();
    else if (message.kind === "connect" && message.leader === this.id) {
      this.serveAfar(message.client, new BroadcastChannel(channelName(database, this.id, message.client)));
    }
  }
}

/** Mounts the files of a database, and what passes through. */
export function mount(database: string, pool: OpfsPool): OpfsHost {
  HOST.mount(directoryOf(database), pool);
  return HOST;
}

/** The directory that has those of all databases. */
export async function databases(): Promise<FileSystemDirectoryHandle> {
  const { createSyncAccessHandle } = (globalThis.FileSystemFileHandle?.prototype ?? {}) as SyncFileHandle;
  if (!createSyncAccessHandle) throw unavailable("the browser has no synchronous access to files here");
  let root: FileSystemDirectoryHandle;
  try {
    root = await navigator.storage.getDirectory();
  } catch (error) {
    throw unavailable(`the browser gives no private file system here: ${String(error)}`);
  }
  return await root.getDirectoryHandle(DIRECTORY, { create: true });
}

/** As where a policy of the page's forbids WebAssembly. */
function notLoaded(error: unknown): never {
  throw unavailable(`the engine's module cannot be loaded: ${String(error)}`);
}

async function openPool(database: string): Promise<OpfsPool> {
  const all = await databases();
  const pool = await OpfsPool.open(await all.getDirectoryHandle(directoryOf(database), { create: true }));
  await pool.refill(FIRST_FILES);
  return pool;
}

/** Files that a store has as soon as it is opened, and some to spare. */
const FIRST_FILES = 8;
