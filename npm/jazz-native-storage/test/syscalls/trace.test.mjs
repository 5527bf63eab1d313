import assert from "node:assert/strict";
import { test } from "node:test";
import { readTrace } from "./trace.mjs";

const calls = (...lines) =>
  readTrace(lines.join("\n")).map(({ name, thread, path, start, end }) => [name, thread, path, start, end]);

test("a call on one line begins and ends there", () => {
  const line = '12 pwrite64(21</s/segment-00000001.log>, "a) = 5 \\"b\\"", 9, 64) = 9';
  assert.deepEqual(calls("11 +++ exited with 0 +++", line), [
    ["pwrite64", "12", "/s/segment-00000001.log", 1, 1],
  ]);
});

test("a call that others come between ends where it is resumed", () => {
  const lines = [
    '7 pwrite64(21</s/log>, "a", 1, 0 <unfinished ...>',
    "8 fdatasync(21</s/log> <unfinished ...>",
    "7 <... pwrite64 resumed>) = 1",
    '7 write(3</m>, "done 1;\\n", 8) = 8',
    "8 <... fdatasync resumed>)            = 0",
  ];
  assert.deepEqual(calls(...lines), [
    ["pwrite64", "7", "/s/log", 0, 2],
    ["write", "7", "/m", 3, 3],
    ["fdatasync", "8", "/s/log", 1, 4],
  ]);
});

test("what failed or never ended is no call", () => {
  const lines = [
    "7 fdatasync(21</s/log>) = -1 EIO (Input/output error)",
    "8 fdatasync(21</s/log> <unfinished ...>",
  ];
  assert.deepEqual(calls(...lines), []);
  assert.throws(() => calls("8 <... fdatasync resumed>) = 0"), /has not begun/);
});
