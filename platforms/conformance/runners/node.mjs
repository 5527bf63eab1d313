/** The cases in Node: `node node.mjs --binding NAME MODULE`, MODULE being what has the binding: an addon, or a module. */
import { existsSync, promises as fs } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { run } from "./run.mjs";

const files = {
  temporary: () => fs.mkdtemp(join(tmpdir(), "jazz-native-storage-conformance-")),
  read: (path) => fs.readFile(path),
  write: (path, bytes) => fs.writeFile(path, bytes),
  cut: (path, length) => fs.truncate(path, length),
  remove: (path) => fs.rm(path, { recursive: true }),
  makeDirectory: (path) => fs.mkdir(path, { recursive: true }),
  exists: (path) => existsSync(path),
  list: (path) => fs.readdir(path),
};

const [option, name, path] = process.argv.slice(2);
if (option !== "--binding" || path === undefined) {
  console.error("usage: node node.mjs --binding NAME MODULE");
  process.exit(2);
}
const module = resolve(path);
const binding = module.endsWith(".node")
  ? createRequire(import.meta.url)(module)
  : await import(pathToFileURL(module).href);
const cases = JSON.parse(await fs.readFile(new URL("../cases.json", import.meta.url), "utf8"));
const passed = await run(name, cases, binding, files, (line) => console.log(line));
process.exitCode = passed ? 0 : 1;
