/**
 * Builds a small app with each bundler, without any configuration for this package, which is used as it is packed to be
 * published. Opens what was built in Chromium, and what Vite's servers for development give: a page writes, the page loaded
 * again reads, and so does a second page at the same time. Prints what was tried, and fails if one of them fails.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { launch, serve } from "../jazz-native-storage/test/web/browsers.mjs";

const here = import.meta.dirname;
const source = resolve(here, "../jazz-native-storage");
const scratch = mkdtempSync(join(tmpdir(), "jazz-native-storage-bundlers-"));
const MODULES = join(here, "node_modules");

const load = (name) => import(name);

async function vite(name, app, out) {
  const { build } = await load(name);
  await build({ root: app, configFile: false, logLevel: "error", build: { outDir: out, emptyOutDir: true } });
}

async function viteServer(name, app) {
  const { createServer } = await load(name);
  const server = await createServer({ root: app, configFile: false, logLevel: "error", server: { port: 0 } });
  await server.listen();
  return { url: server.resolvedUrls.local[0], close: () => server.close() };
}

const VITES = ["vite5", "vite6", "vite7", "vite8"];

const BUILDS = {
  ...Object.fromEntries(VITES.map((name) => [name, (app, out) => vite(name, app, out)])),
  async esbuild(app, out) {
    const { build } = await load("esbuild");
    const entryPoints = [join(app, "main.js")];
    await build({ entryPoints, bundle: true, format: "esm", outdir: out, logLevel: "error" });
    cpSync(join(app, "index.html"), join(out, "index.html"));
  },
  async rollup(app, out) {
    const [{ rollup }, { nodeResolve }] = [await load("rollup"), await load("@rollup/plugin-node-resolve")];
    const plugins = [nodeResolve({ browser: true })];
    const bundle = await rollup({ input: join(app, "main.js"), plugins, onwarn: () => {} });
    await bundle.write({ dir: out, format: "es" });
    cpSync(join(app, "index.html"), join(out, "index.html"));
  },
  async webpack(app, out) {
    const { default: webpack } = await load("webpack");
    const output = { path: out, filename: "main.js", publicPath: "auto" };
    const options = { mode: "production", context: app, entry: "./main.js", output };
    const stats = await new Promise((done, failed) =>
      webpack(options, (error, result) => (error ? failed(error) : done(result))),
    );
    assert(!stats.hasErrors(), stats.toString({ all: false, errors: true }));
    cpSync(join(app, "index.html"), join(out, "index.html"));
  },
  async parcel(app, out) {
    const parcel = join(MODULES, "parcel/lib/bin.js");
    const page = join(app, "index.html");
    const flags = ["--dist-dir", out, "--public-url", "./", "--no-cache", "--no-source-maps"];
    execFileSync(process.execPath, [parcel, "build", page, ...flags], { cwd: app, stdio: "pipe" });
  },
};

/** An app in a folder of its own: what a bundler keeps beside it does not meet another's. */
function makeApp(name) {
  const app = join(scratch, name);
  cpSync(join(here, "app"), app, { recursive: true });
  const modules = join(app, "node_modules");
  mkdirSync(modules);
  for (const module of readdirSync(MODULES)) {
    if (module !== "jazz-native-storage" && !module.startsWith(".")) {
      symlinkSync(join(MODULES, module), join(modules, module), "junction");
    }
  }
  cpSync(join(scratch, "package"), join(modules, "jazz-native-storage"), { recursive: true });
  return app;
}

function bytesIn(folder) {
  const files = readdirSync(folder, { recursive: true }).map((file) => statSync(join(folder, file)));
  return files.reduce((bytes, file) => bytes + (file.isFile() ? file.size : 0), 0);
}

/** Which way its engine was started. */
const wayOf = (page) => (page.workers().some((one) => one.url().startsWith("blob:")) ? "embedded" : "files");

async function useIn(browser, url) {
  const ready = "globalThis.bundled";
  const page = await browser.open(url, { ready });
  await page.evaluate(() => globalThis.bundled.write());
  await page.reload();
  await page.waitForFunction(ready);
  assert.equal(await page.evaluate(() => globalThis.bundled.read()), "kept");
  const way = wayOf(page);
  const second = await browser.open(url, { ready });
  assert.equal(await second.evaluate(() => globalThis.bundled.read()), "kept");
  await Promise.all([page.close(), second.close()]);
  return way;
}

const results = [];
let browser;
const only = process.argv.slice(2);
const isWanted = (name) => only.length === 0 || only.includes(name);

async function attempt(bundler, mode, make) {
  const began = performance.now();
  const result = { bundler, mode, ok: false };
  results.push(result);
  let served;
  try {
    const made = await make();
    served = made.served;
    result.bytes = made.bytes;
    result.way = await useIn(browser, served.url);
    result.ok = true;
  } catch (error) {
    result.error = String(error?.stack ?? error).slice(0, 2000);
  }
  await served?.close();
  result.seconds = Number(((performance.now() - began) / 1000).toFixed(1));
  if (result.error) console.error(`${bundler} ${mode}: ${result.error}`);
}

try {
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--pack-destination", scratch], { cwd: source, encoding: "utf8" }),
  );
  execFileSync("tar", ["-xzf", packed.filename], { cwd: scratch });
  assert(existsSync(join(scratch, "package/dist/inline.js")), "the tarball lacks the inline entry");
  browser = await launch("chromium");
  for (const [name, build] of Object.entries(BUILDS).filter(([name]) => isWanted(name))) {
    await attempt(name, "build", async () => {
      const out = join(scratch, `${name}-out`);
      mkdirSync(out);
      await build(makeApp(name), out);
      return { served: await serve(out), bytes: bytesIn(out) };
    });
  }
  for (const name of VITES.filter(isWanted)) {
    await attempt(name, "server", async () => ({
      served: await viteServer(name, makeApp(`${name}-server`)),
    }));
  }
  console.table(results.map(({ error: _, ...result }) => result));
  process.exitCode = results.length > 0 && results.every(({ ok }) => ok) ? 0 : 1;
} finally {
  await browser?.close();
  rmSync(scratch, { recursive: true, force: true });
}
