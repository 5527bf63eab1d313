/**
 * Runs cojson's own tests, unmodified from the installed package, on our storage: every test file that opens a storage.
 * The tests of `sqlite-only.json` drive SQLite itself and have to fail; all others have to pass.
 *
 * Usage: node npm/conformance/run.mjs [name-of-a-test-file ...]
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startVitest } from "vitest/node";
import { report } from "./report.mjs";
import { resolveToNativeStorage } from "./resolve.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const cojson = dirname(dirname(createRequire(import.meta.url).resolve("cojson")));
const tests = join(cojson, "src", "tests");

const chosen = process.argv.slice(2);
const files = readdirSync(tests)
  .filter((name) => name.endsWith(".test.ts") && opensStorage(join(tests, name)))
  .filter((name) => chosen.length === 0 || chosen.includes(name));
const sqliteOnly = JSON.parse(readFileSync(join(here, "sqlite-only.json"), "utf8")).filter(({ file }) =>
  files.includes(file),
);

// Stores on a RAM disk, where there is one: some tests have time limits that a busy disk breaks.
const stores = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "jazz-conformance-"));
process.env.JAZZ_CONFORMANCE_STORES = stores;

const results = [];
let ok = false;
try {
  const vitest = await startVitest(
    "test",
    [],
    {
      config: false,
      root: cojson,
      watch: false,
      include: files.map((name) => `src/tests/${name}`),
      exclude: [],
      setupFiles: [join(here, "shim", "setup.mjs"), join(tests, "setup.ts")],
      server: { deps: { inline: [/[\\/]cojson[\\/]/, /jazz-native-storage/, /[\\/]conformance[\\/]/] } },
      // One after the other: some tests measure time, and the machine may have two cores.
      fileParallelism: false,
      // Some wait 10 ms for what takes two trips to another thread. Those that needed another attempt are named.
      retry: 2,
      reporters: [{ onTestCaseResult: (test) => results.push(test) }],
    },
    { plugins: [resolveToNativeStorage(cojson)], logLevel: "error" },
  );
  const errors = vitest?.state.getUnhandledErrors() ?? ["vitest did not start"];
  const broken = vitest?.state.getTestModules().flatMap((module) => module.errors()) ?? [];
  ok = report({ files, results, sqliteOnly, errors: [...errors, ...broken] });
  await vitest?.close();
} finally {
  rmSync(stores, { recursive: true, force: true });
}
process.exit(ok ? 0 : 1);

function opensStorage(path) {
  return /\b(addStorage|addAsyncStorage|createSyncStorage|createAsyncStorage|testStorage)\b/.test(
    readFileSync(path, "utf8"),
  );
}
