import { Miniflare } from "miniflare";
import { bundle, here } from "./bundle.mjs";
const modules = await bundle(`${here}/${process.argv[2]}`, { alias: { vitest: `${here}/vitest.ts`, "src/index.js": `${here}/package-in-memory.ts` } });
const mf = new Miniflare({ modules, compatibilityDate: "2026-04-01", compatibilityFlags: ["nodejs_compat"], cf: false });
for (const f of process.argv.slice(3)) {
const t0 = Date.now();
const r = await mf.dispatchFetch(`http://x/${f}`);
console.log(f, Date.now() - t0, (await r.text()).slice(0, 3500));
}
await mf.dispose();
