/**
 * The engine in this context, a dedicated worker of the app's own, beside the storages that use it. There is one such engine
 * in a context, for one database, once: one that has died, or has let others lead, leaves a module behind that is not to be
 * used again.
 */
import { toNativeStorageError } from "../errors.js";
import init, * as module from "../wasm/jazz_native_storage_wasm.js";
import type { Connection, Link } from "./connection.js";
import { EngineContext } from "./engine-context.js";
import type { Hosted } from "./hosting.js";
import { engineLock } from "./names.js";

/** Starts the engine of a database here; without a database, one in memory. */
export async function startHere(database: string | undefined): Promise<Hosted> {
  let end: (why: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  const onBroken = (error: unknown) => end(toNativeStorageError(error).message);
  const context = await EngineContext.start({ database, module, loaded: init(), onBroken });
  let release: () => void = () => {};
  if (database !== undefined) release = await held(engineLock(database, context.id));
  return {
    engine: context.id,
    ended,
    stop: () => {
      context.stop().then(release, release);
    },
    serve: (client, port) => context.serveAfar(client, port),
    link: (connection: Connection) => {
      const { receive, end: close } = context.serve({ post: (message) => connection.receive(link, message) });
      const link: Link = { post: receive, close };
      // Those of other contexts come after the first of this one.
      queueMicrotask(() => context.announce());
      return link;
    },
  };
}

/** Takes a lock, and gives what lets go of it. */
function held(lock: string): Promise<() => void> {
  return new Promise((taken) => {
    navigator.locks.request(lock, () => new Promise<void>((release) => taken(release)));
  });
}
