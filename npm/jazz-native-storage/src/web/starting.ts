/**
 * Starting a worker that can run the engine: from files of its own if they are there, else from what is embedded.
 *
 * Some bundlers copy the files that `new URL(…, import.meta.url)` names, others leave them behind, and servers answer for a
 * file that is not there with a page. So a worker counts only when it has said that its script and the WebAssembly module
 * are loaded.
 */
import { NativeStorageError } from "../errors.js";
import { fromPosted, unavailable } from "./failure.js";
import { engineWorker } from "./files.js";
import type { FromWorker } from "./hosting.js";

/** How long a worker may take until it is loaded. */
const LOAD_MS = 20_000;

/** Whether files were tried in vain: they are not tried again. */
let areFilesMissing = false;

/** A worker that has loaded the engine. Rejects with a {@link NativeStorageError}. */
export async function startWorker(): Promise<Worker> {
  let missing = "there are no files";
  if (!areFilesMissing) {
    try {
      const worker = engineWorker();
      if (worker) return await loaded(worker);
    } catch (error) {
      missing = error instanceof Error ? error.message : String(error);
    }
  }
  try {
    const { embeddedWorker } = await import("./embedded.js");
    const worker = await loaded(await embeddedWorker());
    areFilesMissing = true;
    return worker;
  } catch (error) {
    const embedded = error instanceof Error ? error.message : String(error);
    throw unavailable(`the worker cannot be started: from its file, ${missing}; from a blob, ${embedded}`);
  }
}

function loaded(worker: Worker): Promise<Worker> {
  return new Promise<Worker>((resolve, reject) => {
    const late = setTimeout(() => reject(unavailable("it does not answer")), LOAD_MS);
    const over = () => clearTimeout(late);
    worker.onerror = (event) => {
      event.preventDefault();
      over();
      reject(unavailable(event.message || "its script was not loaded"));
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data instanceof Uint8Array || data.kind !== "loaded") return;
      over();
      if (data.failure) reject(fromPosted(data.failure));
      else resolve(worker);
    };
  }).catch((error: unknown) => {
    worker.terminate();
    throw error instanceof NativeStorageError ? error : unavailable(String(error));
  });
}
