/** The checks of `FileIO` and the cases for bindings, in a worker, over the private file system. */
import cases from "../../../../../platforms/conformance/cases.json";
import { run } from "../../../../../platforms/conformance/runners/run.mjs";
import initSuite, * as suite from "../../../../../target/wasm/file-suite/jazz_storage_file_suite.js";
import initModule, * as module from "../../../dist/wasm/jazz_native_storage_wasm.js";
import { HOST_OPEN_MODES } from "../../../src/host/host.js";
import { OpfsHost } from "../../../src/host/opfs-host.js";
import { OpfsPool } from "../../../src/host/opfs-pool.js";

/** Files that a case or a check may create. */
const SPARE = 64;
const ROOT = "files";
const PROCESS_ID = 7;

/** The checks ask for the holder of a lock, whom a browser does not know. */
class SuiteHost extends OpfsHost {
  holder() {
    return PROCESS_ID;
  }
}
Object.assign(globalThis, { process: { pid: PROCESS_ID } });

const host = new SuiteHost();
const directory = await navigator.storage.getDirectory();
const pool = await OpfsPool.open(
  await directory.getDirectoryHandle(`suite-${crypto.randomUUID()}`, { create: true }),
);
host.mount(ROOT, pool);
let made = 0;

async function temporary() {
  await pool.refill(SPARE);
  const path = `/${ROOT}/${made++}`;
  host.createDirectory(path);
  return path;
}

function opened(path, mode, use) {
  const file = host.open(path, HOST_OPEN_MODES[mode]);
  try {
    return use(file);
  } finally {
    host.close(file);
  }
}

/** What the cases do to files. */
const files = {
  temporary,
  read: (path) =>
    opened(path, "read", (file) => {
      const bytes = new Uint8Array(host.size(file));
      host.read(file, bytes, 0);
      return bytes;
    }),
  write: (path, bytes) => {
    const mode = host.entry(path) ? "readWrite" : "createNew";
    opened(path, mode, (file) => {
      host.truncate(file, 0);
      host.write(file, bytes, 0);
    });
  },
  cut: (path, length) => opened(path, "readWrite", (file) => host.truncate(file, length)),
  remove(path) {
    if (host.entry(path) === "file") {
      host.remove(path);
      return;
    }
    for (const name of host.list(path)) files.remove(`${path}/${name}`);
    host.removeDirectory(path);
  },
  makeDirectory: (path) => host.createDirectory(path),
  exists: (path) => host.entry(path) !== undefined,
  list: (path) => host.list(path),
};

async function checkFiles(report) {
  await initSuite();
  suite.setHost(host);
  let failed = 0;
  // It is about the ids of processes.
  for (const name of suite
    .checkNames()
    .filter((check) => check !== "what_stands_in_owner_disturbs_no_lock")) {
    try {
      suite.runCheck(name, await temporary());
      report(`${name}: passed`);
    } catch (error) {
      failed++;
      report(`${name}: ${String(error)}`);
    }
  }
  return failed;
}

async function runCases(report) {
  await initModule();
  module.setHost(host);
  return (await run("web", cases, module, files, report)) ? 0 : 1;
}

const lines = [];
addEventListener("message", async ({ data }) => {
  const report = (line) => lines.push(line);
  const failed = await (data === "files" ? checkFiles(report) : runCases(report));
  postMessage({ failed, lines });
});
postMessage("ready");
