/** What a measurement needs of the machine: CPU time, peak memory, sizes on disk, and a description of where it ran. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds of one look at whether the process rests. */
const LOOK = 25;
/** Looks after which it is taken to rest, whatever it does. */
const LOOKS = 80;

/**
 * @typedef {object} Cost
 * @property {number} wall milliseconds
 * @property {number} cpu milliseconds of all threads of the process, in user mode and in the system
 */

/**
 * Starts a measurement; the function it gives ends it.
 *
 * @returns {() => Cost}
 */
export function startMeasuring() {
  const cpu = process.cpuUsage();
  const start = performance.now();
  return () => {
    const wall = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    return { wall, cpu: (user + system) / 1000 };
  };
}

/**
 * Waits until the process does nothing. V8 goes on compiling and collecting beside for tens of milliseconds what a process
 * began with, such as what reads its modules: that is no part of what is measured next.
 *
 * @returns {Promise<void>}
 */
export async function rest() {
  for (let look = 0; look < LOOKS; look++) {
    const measured = startMeasuring();
    await sleep(LOOK);
    const { wall, cpu } = measured();
    if (cpu < wall / 20) return;
  }
}

/**
 * Starts watching memory; the function it gives tells the most that was resident since, less what was at the start, in
 * bytes. Only Linux can forget an earlier peak; elsewhere it gives nothing. To be called before {@link rest}: after it the heap
 * has room of its own, in which most of what a storage takes does not show (3 MiB of 40).
 *
 * @returns {() => number | undefined}
 */
export function watchMemory() {
  globalThis.gc?.();
  const start = process.memoryUsage.rss();
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    return () => undefined;
  }
  return () => {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    return peak ? Math.max(0, Number(peak[1]) * 1024 - start) : undefined;
  };
}

/**
 * The bytes of all files in a directory and those below it.
 *
 * @param {string} directory
 * @returns {number}
 */
export function sizeOnDisk(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .map((entry) => join(directory, entry.name))
    .map((path) => {
      const stats = statSync(path);
      return stats.isDirectory() ? sizeOnDisk(path) : stats.size;
    })
    .reduce((sum, size) => sum + size, 0);
}

/**
 * The version of a package that is installed.
 *
 * @param {string} name
 * @returns {string}
 */
export function versionOf(name) {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const file = folders.map((folder) => join(folder, name, "package.json")).find((path) => existsSync(path));
  if (file === undefined) throw new Error(`the package ${name} is not installed`);
  return JSON.parse(readFileSync(file, "utf8")).version;
}

/** Where a measurement runs, and on what. */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    jazzNativeStorage: versionOf("jazz-native-storage"),
    load: load(),
  };
}

/**
 * The type of the file system that a directory is on, such as `ext4`, where Linux tells.
 *
 * @param {string} directory
 * @param {string} [mounts] text of the form of `/proc/self/mounts`
 */
export function fileSystemOf(directory, mounts = mountsOfThisProcess()) {
  const path = `${realpathSync(directory)}/`;
  let found = { point: "", type: "unknown" };
  for (const line of mounts.split("\n")) {
    const [, escaped = "", type = ""] = line.split(" ");
    const point = escaped.replace(/\\([0-7]{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const inside = point !== "" && path.startsWith(point.endsWith("/") ? point : `${point}/`);
    // Of several at one point the last one is seen.
    if (inside && point.length >= found.point.length) found = { point, type };
  }
  return found.type;
}

function mountsOfThisProcess() {
  try {
    return readFileSync("/proc/self/mounts", "utf8");
  } catch {
    return "";
  }
}

/** How many processes wanted to run, on the average of the last minute. */
export function load() {
  return loadavg()[0] ?? 0;
}

/** The commit that is measured, and whether the tree has other changes. */
export function commit() {
  const git = (/** @type {string[]} */ ...parameters) =>
    spawnSync("git", parameters, { cwd: import.meta.dirname, encoding: "utf8" }).stdout?.trim();
  const head = git("rev-parse", "HEAD");
  if (!head) return null;
  return git("status", "--porcelain") ? `${head}-dirty` : head;
}
