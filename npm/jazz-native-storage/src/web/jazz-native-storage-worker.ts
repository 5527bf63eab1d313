/** The worker that a page starts for the engine. What it is told and tells is in `hosting.ts`. */
import { toNativeStorageError } from "../errors.js";
import init, * as module from "../wasm/jazz_native_storage_wasm.js";
import { EngineContext } from "./engine-context.js";
import { failureOf } from "./failure.js";
import { connectionOf } from "./frames.js";
import type { FromWorker, ToWorker } from "./hosting.js";
import { engineLock } from "./names.js";
import { restoreDatabase } from "./restoring.js";
import { unpacked } from "./unpacked.js";

/** Frames of so many bytes are handed over. Small ones are copied, which is quicker (of 600 bytes, by a third). */
const TRANSFERRED = 32 * 1024;

let context: EngineContext | undefined;

/** The module, where it comes in the same blob as this script: see `embedded.ts`. */
const { jazzNativeStorageModule: embedded } = globalThis as { jazzNativeStorageModule?: string };

const loaded = init(embedded === undefined ? undefined : { module_or_path: unpacked(embedded) });
loaded.then(
  () => tell({ kind: "loaded" }),
  (error) => tell({ kind: "loaded", failure: failureOf(error) }),
);

function tell(message: FromWorker): void {
  postMessage(message);
}

async function start(database: string | undefined): Promise<void> {
  try {
    context = await EngineContext.start({ database, module, loaded, onBroken });
    if (database !== undefined) await hold(engineLock(database, context.id));
    tell({ kind: "running", engine: context.id });
  } catch (error) {
    tell({ kind: "failed", failure: failureOf(error) });
  }
}

async function restore(database: string, archive: Blob): Promise<void> {
  try {
    await loaded;
    const begin = () => tell({ kind: "restoring" });
    tell({ kind: "restored", result: await restoreDatabase(database, archive, module, begin) });
  } catch (error) {
    tell({ kind: "failed", failure: failureOf(error) });
  }
}

/** Takes a lock for as long as this worker lives. */
function hold(lock: string): Promise<void> {
  return new Promise((held) => {
    navigator.locks.request(lock, () => {
      held();
      return new Promise(() => {});
    });
  });
}

function onBroken(error: unknown): void {
  tell({ kind: "broken", message: toNativeStorageError(error).message });
  close();
}

/** The connections of the page, by their numbers. */
const connections = new Map<number, ReturnType<EngineContext["serve"]>>();

function connected(engine: EngineContext, number: number): ReturnType<EngineContext["serve"]> {
  let connection = connections.get(number);
  if (!connection) {
    connection = engine.serve({
      post: (message) => {
        if (!(message instanceof Uint8Array)) tell({ kind: "say", connection: number, message });
        else if (message.length < TRANSFERRED) tell(message);
        else postMessage(message, { transfer: [message.buffer] });
      },
    });
    connections.set(number, connection);
    // Those of other pages come after the first of this one.
    engine.announce();
  }
  return connection;
}

addEventListener("message", ({ data, ports: [port] }: MessageEvent<ToWorker>) => {
  if (data instanceof Uint8Array) {
    connections.get(connectionOf(data))?.receive(data);
  } else if (data.kind === "start") {
    void start(data.database);
  } else if (data.kind === "restore") {
    void restore(data.database, data.archive);
  } else if (!context) {
    return;
  } else if (data.kind === "serve") {
    if (port) context.serveAfar(data.client, port);
  } else if (data.kind === "say") {
    connected(context, data.connection).receive(data.message);
  } else {
    connections.get(data.connection)?.end();
    connections.delete(data.connection);
  }
});
