/** A Worker that runs test files of the package, and answers what became of each test. */
import { run } from "../elsewhere/run.js";
import "../../../../examples/cloudflare-worker/src/load-wasm.js";

// biome-ignore lint/style/noDefaultExport: Workers are default exports
export default {
  async fetch(request: Request): Promise<Response> {
    const files = new URL(request.url).searchParams.getAll("file");
    return Response.json(await run(files));
  },
};
