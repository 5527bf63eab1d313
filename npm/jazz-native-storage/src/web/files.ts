/**
 * The files that workers are started from. The entry `inline` is made without this module: see `no-files.ts`.
 *
 * In these forms, with nothing that is not there to be read, bundlers know them for workers. Their names are not to be those of
 * an app: where they are left behind, what the app has by such a name would be started.
 */

/** The worker of the engine. */
export function engineWorker(): Worker | undefined {
  return new Worker(new URL("./jazz-native-storage-worker.js", import.meta.url), { type: "module" });
}

/** The shared worker behind `hub.ts`. */
export function hubWorker(): SharedWorker | undefined {
  return new SharedWorker(new URL("./jazz-native-storage-hub.js", import.meta.url), { type: "module" });
}
