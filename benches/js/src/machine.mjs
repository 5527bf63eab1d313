/** What a measurement needs of the machine: CPU time, peak memory, sizes on disk, and a description of where it ran. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";

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
 * Starts watching memory; the function it gives tells the most that was resident since, less what was at the start, in
 * bytes. Only Linux can forget an earlier peak; elsewhere it gives nothing.
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

/** Where a measurement runs, and on what. */
export function describeMachine() {
  const require = createRequire(import.meta.url);
  const version = (/** @type {string} */ name) => require(`${name}/package.json`).version;
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    jazzNativeStorage: /** @type {string} */ (version("jazz-native-storage")),
    betterSqlite3: /** @type {string} */ (version("better-sqlite3")),
    load: load(),
  };
}

/** How many processes wanted to run, on the average of the last minute. */
export function load() {
  return loadavg()[0] ?? 0;
}
