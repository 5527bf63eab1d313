/** The worker of the engine out of what is embedded in this module's package: its script and module, packed, in a blob. */
import { module, script } from "../embedded/worker.js";
import { unpacked } from "./unpacked.js";

export async function embeddedWorker(): Promise<Worker> {
  const head = `globalThis.jazzNativeStorageModule=${JSON.stringify(module)};\n`;
  const url = URL.createObjectURL(new Blob([head, await unpacked(script)], { type: "text/javascript" }));
  // It is not revoked: WebKit and Firefox may read it after this call.
  return new Worker(url);
}
