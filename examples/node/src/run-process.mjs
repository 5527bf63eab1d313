/** Runs a script in a process of its own. */
import { fork } from "node:child_process";

/**
 * Gives what the script sent to its parent. Rejects if it sent nothing or did not end with exit code 0.
 *
 * @param {URL} script
 * @param {readonly string[]} parameters
 * @param {"inherit" | "pipe"} [errors] what it prints as errors: shown, or part of the rejection
 * @returns {Promise<unknown>}
 */
export function runProcess(script, parameters, errors = "inherit") {
  return new Promise((resolve, reject) => {
    const child = fork(script, parameters, { stdio: ["ignore", "inherit", errors, "ipc"] });
    /** @type {unknown} */
    let result;
    let printed = "";
    child.stderr?.on("data", (data) => {
      printed += data;
    });
    child.on("message", (message) => {
      result = message;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else {
        const name = script.pathname.split("/").at(-1);
        reject(
          new Error(
            `${name} ${parameters[0]} ended with ${signal ?? `exit code ${code}`}\n${printed}`.trim(),
          ),
        );
      }
    });
  });
}
