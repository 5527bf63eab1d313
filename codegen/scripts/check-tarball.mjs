/**
 * Packs the package and this platform's addon as they are published, unpacks them where no checkout is near, and stores
 * and loads a CoValue with them. Catches what only the tarballs can get wrong: a file left out, an export that points
 * nowhere, an addon found only in the checkout.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const source = join(root, "npm/jazz-native-storage");
const platforms = join(root, "npm/platforms");
const scratch = mkdtempSync(join(tmpdir(), "jazz-native-storage-tarball-"));

try {
  const { name, version, napi, exports } = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));

  run("npx", [
    "--no-install",
    "napi",
    "create-npm-dirs",
    "--package-json-path",
    "npm/jazz-native-storage/package.json",
    "--npm-dir",
    "npm/platforms",
  ]);
  const addon = readdirSync(join(source, "native")).find((file) => file.endsWith(".node"));
  assert(addon, "no addon was built");
  const triple = addon.slice(napi.binaryName.length + 1, -".node".length);
  copyFileSync(join(source, "native", addon), join(platforms, triple, addon));

  const modules = join(scratch, "node_modules");
  const files = unpack(source, join(modules, name));
  assert(files.includes("README.md") && files.includes("LICENSE"), "README.md and LICENSE must be published");
  const targets = Object.values(exports).flatMap((target) =>
    typeof target === "string" ? target : Object.values(target),
  );
  for (const target of targets)
    assert(files.includes(target.slice(2)), `${target} is exported and must be published`);
  assert(!files.some((file) => file.endsWith(".node")), "addons belong into the packages of their platforms");
  const addonFiles = unpack(join(platforms, triple), join(modules, `${napi.packageName}-${triple}`));
  assert(addonFiles.includes(addon), `${addon} must be published`);
  symlinkSync(join(root, "node_modules/cojson"), join(modules, "cojson"), "junction");

  writeFileSync(join(scratch, "use.mjs"), use(name));
  const report = JSON.parse(run(process.execPath, ["use.mjs"], scratch));
  assert.deepEqual(report, { found: true, transactions: 1 });
  console.log(`${name} ${version} and its addon for ${triple} work from their tarballs`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Packs the package in `folder`, unpacks it to `target` and returns the files in it. */
function unpack(folder, target) {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", scratch], folder));
  mkdirSync(target, { recursive: true });
  run("tar", ["-xzf", packed.filename, "--strip-components=1", "-C", target], scratch);
  return packed.files.map((file) => file.path);
}

/** A program that uses the package as an application does and prints what it saw as JSON. */
function use(name) {
  return `
    import { createNativeStorage } from ${JSON.stringify(name)};
    const storage = await createNativeStorage({ path: "./data" });
    const id = "co_zTarball";
    const header = { type: "comap", ruleset: { type: "unsafeAllowAll" }, meta: null, createdAt: null, uniqueness: null };
    const transaction = { privacy: "trusting", madeAt: 1, changes: "[]" };
    const session = { after: 0, newTransactions: [transaction], lastSignature: "signature_z1" };
    storage.store({ action: "content", id, header, priority: 3, new: { agent_session_z1: session } }, () => undefined);
    let transactions = 0;
    const found = await new Promise((done) => {
      storage.load(id, (message) => {
        for (const piece of Object.values(message.new)) transactions += piece.newTransactions.length;
      }, done);
    });
    await storage.close();
    console.log(JSON.stringify({ found, transactions }));
  `;
}

function run(program, args, cwd = root) {
  // npm and npx are batch files on Windows, which only a shell can start.
  const shell = process.platform === "win32" && program !== process.execPath;
  return execFileSync(program, args, { cwd, shell, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
