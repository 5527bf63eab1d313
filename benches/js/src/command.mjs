/** What the commands have in common: phases in processes of their own, progress on a terminal, options that are numbers. */
import { fork } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Runs a script in a process of its own and gives what it sends over the channel of `fork`.
 *
 * @param {URL} script
 * @param {...string} parameters
 * @returns {Promise<unknown>}
 */
export function inOwnProcess(script, ...parameters) {
  return inProcessOf(process.execPath, script, ...parameters);
}

/**
 * The same, in a Node that is named.
 *
 * @param {string} node path of the program
 * @param {URL} script
 * @param {...string} parameters
 * @returns {Promise<unknown>}
 */
export function inProcessOf(node, script, ...parameters) {
  return new Promise((resolve, reject) => {
    // Node's own SQLite warns that it is experimental, each time.
    const execArgv = ["--expose-gc", "--disable-warning=ExperimentalWarning"];
    const child = fork(script, parameters, { execPath: node, execArgv });
    /** @type {unknown} */
    let result;
    child.on("message", (message) => {
      result = message;
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${parameters.slice(0, 2).join(" of ")} ended with ${signal ?? code}`));
    });
  });
}

/** @param {string} line */
export function progress(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

/**
 * @param {string} name of the option
 * @param {string} value
 * @param {string} usage
 */
export function whole(name, value, usage) {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`--${name} takes a whole number above 0, not ${value}\n\n${usage}`);
}

/**
 * Writes what a run measured to the folder for results, which git ignores, under its date, else the time it ended.
 *
 * @param {string} prefix of the file's name
 * @param {Record<string, unknown>} figures
 * @returns {string} the path of the file
 */
export function keepFigures(prefix, figures) {
  const folder = new URL("../../results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const { date = new Date().toISOString() } = figures;
  const file = new URL(`${prefix}-${String(date).replaceAll(":", "-")}.json`, folder);
  writeFileSync(file, JSON.stringify({ date, ...figures }, null, 2));
  return fileURLToPath(file);
}
