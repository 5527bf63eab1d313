import assert from "node:assert/strict";
import { test } from "node:test";
import { rest, startMeasuring } from "../src/machine.mjs";

/** @param {number} milliseconds */
function work(milliseconds) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test("a process that works is waited for, and one that rests is not", async () => {
  let works = true;
  const busy = setInterval(() => work(8), 10);
  setTimeout(() => {
    clearInterval(busy);
    works = false;
  }, 300);
  await rest();
  assert.equal(works, false);
  const { wall } = await timed(rest);
  assert.ok(wall < 1_000, `it took ${wall} ms to see that nothing is done`);
});

test("one that never rests is not waited for without end", async () => {
  const busy = setInterval(() => work(8), 10);
  const { wall } = await timed(rest);
  clearInterval(busy);
  assert.ok(wall > 1_000, `after ${wall} ms it is taken to rest`);
});

/** @param {() => Promise<void>} what */
async function timed(what) {
  const measured = startMeasuring();
  await what();
  return measured();
}
