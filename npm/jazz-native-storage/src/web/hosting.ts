/** Running the engine in a worker. */
import type { BackupResult } from "../generated/native.js";
import type { Connection, Link } from "./connection.js";
import { fromPosted, type PostedError, unavailable } from "./failure.js";
import { addressed, connectionOf } from "./frames.js";
import { engineLock } from "./names.js";
import type { FromServer, ToServer } from "./protocol.js";

/** An engine that this context runs. */
export interface Hosted {
  /** A way to it. */
  link(connection: Connection): Link;
  readonly engine: string;
  /** Serves a connection of another context. */
  serve(client: string, port: MessagePort): void;
  /** Ends it at once: what was acknowledged is kept, the rest is done by the next one. */
  stop(): void;
  /** Why it has ended without being told to. */
  readonly ended: Promise<string>;
}

/**
 * Page to worker. The connections of the page share the way: bytes are a frame, which says whose it is.
 *
 * The way of the worker itself is quicker than ports are, in Firefox several times.
 */
export type ToWorker =
  | Uint8Array
  | { readonly kind: "start"; readonly database: string | undefined }
  /** Instead of `start`: make a database of an archive. */
  | { readonly kind: "restore"; readonly database: string; readonly archive: Blob }
  /** With the port of a connection of another context. */
  | { readonly kind: "serve"; readonly client: string }
  /** What a connection says, but frames. A new number is a new connection. */
  | { readonly kind: "say"; readonly connection: number; readonly message: Exclude<ToServer, Uint8Array> }
  | { readonly kind: "end"; readonly connection: number };

/** Worker to page. */
export type FromWorker =
  | Uint8Array
  /** First of all: the script and the WebAssembly module are there, or why not. */
  | { readonly kind: "loaded"; readonly failure?: PostedError }
  | { readonly kind: "running"; readonly engine: string }
  | { readonly kind: "failed"; readonly failure: PostedError }
  | { readonly kind: "broken"; readonly message: string }
  | { readonly kind: "restoring" }
  | { readonly kind: "restored"; readonly result: BackupResult }
  | { readonly kind: "say"; readonly connection: number; readonly message: Exclude<FromServer, Uint8Array> };

/** How long a worker may take until its script runs. */
const START_MS = 20_000;

/** Starts the engine of a database in a worker; without a database, one in memory. */
export async function startInWorker(worker: Worker, database: string | undefined): Promise<Hosted> {
  let end: (why: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  const alive = new AbortController();
  const stop = () => {
    alive.abort();
    worker.terminate();
  };
  let engine: string;
  try {
    engine = await running(worker, database, end);
  } catch (error) {
    stop();
    throw error;
  }
  if (database !== undefined) {
    // The worker holds it as long as it lives.
    navigator.locks
      .request(engineLock(database, engine), { signal: alive.signal }, () => end("its worker has ended"))
      .catch(() => {});
  }
  const serve = (client: string, port: MessagePort) =>
    worker.postMessage({ kind: "serve", client } satisfies ToWorker, [port]);
  return { engine, ended, stop, serve, link: switchboard(worker) };
}

/** Parts the worker's one way among connections. */
function switchboard(worker: Worker): (connection: Connection) => Link {
  const receivers = new Map<number, (message: FromServer) => void>();
  let last = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data instanceof Uint8Array) receivers.get(connectionOf(data))?.(data);
    else if (data.kind === "say") receivers.get(data.connection)?.(data.message);
  });
  return (connection) => {
    const number = ++last;
    const link: Link = {
      post: (message) => {
        if (message instanceof Uint8Array) worker.postMessage(addressed(message, number));
        else worker.postMessage({ kind: "say", connection: number, message } satisfies ToWorker);
      },
      close: () => {
        receivers.delete(number);
        worker.postMessage({ kind: "end", connection: number } satisfies ToWorker);
      },
    };
    receivers.set(number, (message) => connection.receive(link, message));
    return link;
  };
}

function running(worker: Worker, database: string | undefined, end: (why: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(unavailable("the worker does not start")), START_MS);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(unavailable(`the worker cannot be started: ${event.message ?? "its script was not loaded"}`));
      end(event.message);
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      clearTimeout(late);
      if (data instanceof Uint8Array || data.kind === "say") return;
      if (data.kind === "running") resolve(data.engine);
      else if (data.kind === "failed") reject(fromPosted(data.failure));
      else if (data.kind === "broken") end(data.message);
    };
    worker.postMessage({ kind: "start", database } satisfies ToWorker);
  });
}
