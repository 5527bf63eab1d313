/** Q-1 again and again: processes are killed at random moments, and what is found is compared with what was acknowledged. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("./kill/rounds.mjs", import.meta.url));
/** The long form is `cargo xtask soak kill`. */
const ROUNDS = process.env.JAZZ_KILL_ROUNDS ?? "40";
const SEED = process.env.JAZZ_KILL_SEED;

const run = promisify(execFile);

test("whatever was acknowledged is there after a kill, and the rest is there wholly or not at all", {
  timeout: 600_000,
}, async () => {
  const { stdout } = await run(process.execPath, [
    SCRIPT,
    "--rounds",
    ROUNDS,
    ...(SEED ? ["--seed", SEED] : []),
  ]);
  console.log(stdout.trim());
  const { rounds, acknowledged, checkpoints } = JSON.parse(stdout);
  expect(rounds).toBe(Number(ROUNDS));
  expect(acknowledged).toBeGreaterThan(rounds * 10);
  expect(checkpoints).toBeGreaterThan(0);
});

test("acknowledging before storing would be noticed", { timeout: 120_000 }, async () => {
  const failed = run(process.execPath, [SCRIPT, "--rounds", "20", "--sabotage"]);
  await expect(failed).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("was the last that was acknowledged"),
  });
});
