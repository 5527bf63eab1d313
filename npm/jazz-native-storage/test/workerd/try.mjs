import { Miniflare, Log, LogLevel } from "miniflare";
import { bundle, here, root } from "./bundle.mjs";
const t0 = Date.now();
const modules = await bundle(`${here}/tests-worker.ts`, { alias: { vitest: `${here}/vitest.ts`, "src/index.js": `${here}/package-in-memory.ts` } });
console.log("bundled", Date.now() - t0, modules.map(m => [m.path, m.contents.length]));
const mf = new Miniflare({ modules, compatibilityDate: "2026-04-01", compatibilityFlags: ["nodejs_compat"], cf: false });
for (const f of process.argv.slice(2)) {
const r = await mf.dispatchFetch(`http://x/?file=${f}`);
const text = await r.text();
try { const o = JSON.parse(text); const bad = o.filter(x => x.state !== "pass"); console.log(f, o.length, "bad", bad.length, Date.now() - t0); for (const b of bad.slice(0, 6)) console.log(b); } catch { console.log(text.slice(0, 3000)); }
}
await mf.dispose();
