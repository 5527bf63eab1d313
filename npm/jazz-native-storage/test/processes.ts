/** Runs `child.mjs`: one process that answers, or one that stays until it is ended. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";

const SCRIPT = fileURLToPath(new URL("./child.mjs", import.meta.url));
const run = promisify(execFile);

export type Answer = Record<string, unknown>;

/** What a process answers to a task. `user` is the id it runs as; `blocks` the limit of its files, in 512 bytes. */
export async function ask(task: object, limits: { user?: number; blocks?: number } = {}): Promise<Answer> {
  const { user, blocks } = limits;
  const [command, ...args] = [process.execPath, SCRIPT, JSON.stringify(task)];
  const options = { maxBuffer: 1 << 30, ...(user === undefined ? {} : { uid: user, gid: user }) };
  // The signal of a file over its limit is ignored, so that the write fails instead.
  const { stdout } = blocks
    ? await run("sh", ["-c", `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`, command, ...args], options)
    : await run(command, args, options);
  return lastAnswer(stdout);
}

/** Starts a process, and gives its first answer and the way to kill it. */
export async function start(task: object): Promise<{ answer: Answer; kill(): Promise<void> }> {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  onTestFinished(kill);
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { answer: JSON.parse(line) as Answer, kill };
}

function lastAnswer(stdout: string): Answer {
  // cojson's logger writes to the console as well.
  const line = stdout.trim().split("\n").at(-1);
  return JSON.parse(line ?? "") as Answer;
}
