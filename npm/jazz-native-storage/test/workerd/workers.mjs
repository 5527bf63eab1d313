/** Workers in workerd, by miniflare, as it is deployed but for the network. */
import { Miniflare } from "miniflare";

const COMPATIBILITY_DATE = "2026-04-01";

export async function startWorker(modules, options = {}) {
  const worker = new Miniflare({ modules, compatibilityDate: COMPATIBILITY_DATE, cf: false, ...options });
  await worker.ready;
  return worker;
}
