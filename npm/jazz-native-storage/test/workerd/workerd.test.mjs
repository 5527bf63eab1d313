/** Everything in workerd, the runtime of Cloudflare Workers: the cases for bindings, the tests of the storage, and the bound. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { bundle, here } from "./bundle.mjs";
import { startWorker } from "./workers.mjs";

/** What the tests of the package import, in workerd. */
const alias = { vitest: `${here}/../elsewhere/vitest.ts`, "src/index.js": `${here}/package-in-memory.ts` };

const running = [];
after(() => Promise.all(running.map((worker) => worker.dispose())));

async function start(entry, options) {
  const worker = await startWorker(await bundle(`${here}/${entry}`, { alias }), options);
  running.push(worker);
  return async (path) => {
    const response = await worker.dispatchFetch(`http://worker/${path}`);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text);
  };
}

test("the module passes the cases for bindings that need no files", async () => {
  const ask = await start("cases-worker.mjs");
  const lines = await ask("");
  const counts = /workerd: (\d+) cases, (\d+) passed, 0 failed, (\d+) not applicable/.exec(lines.at(-1));
  assert(counts, lines.join("\n"));
  assert(Number(counts[2]) >= 170, lines.at(-1));
  console.log(lines.at(-1));
});

describe("the tests of the package pass", async () => {
  // Some use Node's names for paths, which workerd has when it is asked for them.
  const asking = start("tests-worker.ts", { compatibilityFlags: ["nodejs_compat"] });
  const least = { storage: 40, "sqlite-only-behaviours": 15, codec: 20, node: 2 };
  for (const [file, count] of Object.entries(least)) {
    test(file, async () => {
      const ask = await asking;
      const outcomes = await ask(`?file=${file}`);
      for (const { name, duration } of outcomes)
        if (duration > 1_000) console.log(`${Math.round(duration)} ms: ${name}`);
      const bad = outcomes.filter(({ state }) => state !== "pass");
      assert.deepEqual(bad, []);
      assert(outcomes.length >= count, `only ${outcomes.length} tests were found`);
    });
  }
});

describe("stores in memory", async () => {
  // What the tests share imports Node's names; the example does without.
  const asking = start("stores-worker.ts", { compatibilityFlags: ["nodejs_compat"] });

  test("a full store says so, keeps and gives everything, and has room again after erasing", async () => {
    const ask = await asking;
    const seen = await ask("bound");
    assert(seen.stored * seen.size > 2 * 1024 * 1024, `only ${seen.stored} fit`);
    assert.equal(seen.failure.code, "DISK_FULL");
    assert(seen.failure.isTyped);
    assert.match(seen.failure.message, /maxBytes 4194304.*erase CoValues and compact, or raise maxBytes/);
    assert.deepEqual(seen.degraded, ["DISK_FULL"]);
    assert.equal(seen.all, seen.stored);
    assert.equal(seen.refusedAfter, undefined);
    assert.equal(seen.again.failure.code, "DISK_FULL");
    assert(seen.again.stored - seen.stored > seen.half / 2, JSON.stringify(seen));
    assert.equal(seen.kept, seen.again.stored - seen.half);
  });

  test("twenty stores of one isolate have nothing to do with each other, nor their bounds", async () => {
    const ask = await asking;
    const { full, counts } = await ask("many");
    assert.equal(full.failure.code, "DISK_FULL");
    assert.deepEqual(
      counts,
      Array.from({ length: 19 }, (_, n) => n + 2),
    );
  });

  test("wrong options are refused with the name of the option, and the global scope with what to do", async () => {
    const ask = await asking;
    const { inGlobalScope, failures, durability, flavour } = await ask("options");
    assert.equal(inGlobalScope.code, "UNAVAILABLE");
    assert.match(inGlobalScope.message, /global scope.*open it when it is first needed/);
    const names =
      "options options options maxBytes maxBytes maxBytes maxBytes maxBytes cacheBytes path dbName durability";
    const named = `${names} flavour maxbytes onDegraded onEvent`.split(" ");
    for (const [n, name] of named.entries()) {
      assert.equal(failures[n]?.code, "INVALID_OPTION", name);
      assert(failures[n].isTyped && failures[n].message.startsWith(`option ${name}: `), failures[n].message);
    }
    assert.deepEqual([failures.length, durability, flavour], [named.length, "memory", "sync"]);
  });

  test("the import for all platforms gives a store in memory to who asks for one, and to nobody else", async () => {
    const ask = await asking;
    const { failures, wrong, found } = await ask("main");
    assert.equal(failures.length, 12);
    for (const failure of failures) assert.deepEqual([failure?.code, failure.isTyped], ["UNAVAILABLE", true]);
    assert.match(failures[0].message, /durability "memory"/);
    assert.equal(wrong.code, "INVALID_OPTION");
    assert.deepEqual(found, [
      ["sync", true],
      ["async", true],
    ]);
  });

  test("a full store of the usual bound leaves most of an isolate's 128 MB", async () => {
    // Nothing else has been in its memory.
    const ask = await start("stores-worker.ts", { compatibilityFlags: ["nodejs_compat"] });
    const { opened, full, loaded, stored } = await ask("memory");
    const mib = (bytes) => Number((bytes / 1024 / 1024).toFixed(1));
    console.log(
      `memory of the module: ${mib(opened)} MiB opened, ${mib(full)} full of ${stored}, ${mib(loaded)} loaded`,
    );
    assert(loaded < 48 * 1024 * 1024, `${mib(loaded)} MiB`);
  });
});
