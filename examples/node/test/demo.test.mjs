/** The demo's check finds what it is there to find: a value that differs, one that is missing, a damaged store. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { compare } from "../src/describe.mjs";
import { runProcess } from "../src/run-process.mjs";

/** @typedef {import("../src/write.mjs").Expected} Expected */

const work = mkdtempSync(join(tmpdir(), "jazz-demo-test-"));
const store = join(work, "store");
const file = join(work, "expected.json");

before(async () => {
  mkdirSync(store);
  await runProcess(new URL("../src/write.mjs", import.meta.url), ["native", store, file, "quick"]);
});
after(() => rmSync(work, { recursive: true, force: true }));

/** @param {string} directory @param {string} expected */
function read(directory, expected) {
  return runProcess(new URL("../src/read.mjs", import.meta.url), ["native", directory, expected], "pipe");
}

/** @param {(expected: Expected) => void} change */
async function readWithOtherExpectation(change) {
  /** @type {Expected} */
  const expected = JSON.parse(readFileSync(file, "utf8"));
  change(expected);
  const other = join(work, "other.json");
  writeFileSync(other, JSON.stringify(expected));
  await read(store, other);
}

test("everything that was stored is found", async () => {
  await assert.doesNotReject(read(store, file));
});

test("an edit that differs is a difference", async () => {
  await assert.rejects(
    readWithOtherExpectation(({ values }) => {
      const map = values.find(({ kind }) => kind === "map");
      const content = /** @type {{ history: { edits: { value?: string }[] }[] }} */ (
        /** @type {unknown} */ (map?.content)
      );
      const edit = content.history[0]?.edits[0];
      assert.ok(edit);
      edit.value = "something else";
    }),
    /exit code 1\n.*1 differences.*map co_z\w+\.content\.history\.0\.edits\.0\.value: expected "something else"/s,
  );
});

test("a byte of the file that differs is a difference", async () => {
  await assert.rejects(
    readWithOtherExpectation(({ values }) => {
      const content = values.find(({ kind }) => kind === "binary stream")?.content;
      Object.assign(/** @type {object} */ (content), { sha256: "0".repeat(64) });
    }),
    /exit code 1\n.*1 differences.*\.content\.sha256: expected "000/s,
  );
});

test("a CoValue that is not stored is a difference", async () => {
  await assert.rejects(
    readWithOtherExpectation(({ values }) => {
      const map = values.find(({ kind }) => kind === "map");
      assert.ok(map);
      map.id = `${map.id.slice(0, -4)}zzzz`;
    }),
    /exit code 1\n.*: expected \{.*, found nothing/s,
  );
});

test("a store with a damaged byte does not pass", async () => {
  const damaged = join(work, "damaged");
  cpSync(store, damaged, { recursive: true });
  const largest = readdirSync(damaged, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, content: readFileSync(path) }))
    .reduce((a, b) => (a.content.length > b.content.length ? a : b));
  const middle = largest.content.length >> 1;
  largest.content.writeUInt8(largest.content.readUInt8(middle) ^ 1, middle);
  writeFileSync(largest.path, largest.content);
  await assert.rejects(read(damaged, file), /ended with/);
});

test("comparing notices types, missing and additional parts", () => {
  assert.deepEqual(compare({ a: [1, "x"], b: null }, { b: null, a: [1, "x"] }), {
    compared: 3,
    differences: [],
  });
  assert.equal(compare({ a: 1 }, { a: "1" }).differences.length, 1);
  assert.equal(compare({ a: 1 }, {}).differences.length, 1);
  assert.equal(compare({}, { a: 1 }).differences.length, 1);
  assert.equal(compare([], {}).differences.length, 1);
  assert.equal(compare(["a", "b"], ["b", "a"]).differences.length, 2);
  assert.equal(compare({ a: { b: 1 } }, undefined).differences.length, 1);
});
