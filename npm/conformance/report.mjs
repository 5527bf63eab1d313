/** Tells, by file and flavour of storage, how cojson's tests went, and whether that is what is expected. */

const FLAVOURS = ["sync", "async", "both", "none"];

/**
 * Prints the table and all that is not as expected. Gives whether everything is: all tests pass but those that only SQLite
 * can run, which all fail.
 */
export function report({ files, results, sqliteOnly, errors }) {
  const rows = new Map();
  const problems = errors.map((error) => `error: ${error?.stack ?? error?.message ?? error}`);
  const awaited = new Set(sqliteOnly.map(({ file, test }) => `${file} > ${test}`));
  const retried = [];
  let passed = 0;
  let failed = 0;

  for (const file of files) {
    if (!results.some((test) => fileOf(test) === file)) problems.push(`${file}: no test ran`);
  }
  for (const test of results) {
    const name = `${fileOf(test)} > ${test.fullName}`;
    const row = rowOf(rows, fileOf(test), flavourOf(test));
    const { state, errors: causes } = test.result();
    const { degraded } = test.meta();
    if (awaited.delete(name)) {
      if (state === "failed") {
        row.sqliteOnly++;
      } else {
        failed++;
        row.failed++;
        problems.push(`${name}: expected to fail, as only SQLite can run it, but it ${state}`);
      }
    } else if (state === "skipped") {
      row.skipped++;
    } else if (state === "passed" && !degraded) {
      passed++;
      row.passed++;
      const attempts = 1 + (test.diagnostic()?.retryCount ?? 0);
      if (attempts > 1) retried.push(`${name}: passed at attempt ${attempts}`);
    } else {
      failed++;
      row.failed++;
      problems.push(`${name}: ${degraded ?? causes?.map(explain).join("\n") ?? state}`);
    }
  }
  for (const name of awaited) problems.push(`${name}: expected to fail, but it is not there`);

  printTable(rows);
  for (const note of retried) console.log(`\n${note}`);
  for (const problem of problems) console.log(`\n${problem}`);
  const sqlite = [...rows.values()].reduce((sum, row) => sum + row.sqliteOnly, 0);
  console.log(`\n${sqlite} of ${sqliteOnly.length} tests that only SQLite can run failed, as expected`);
  const strays = problems.length - failed;
  console.log(`${passed} passed, ${failed + Math.max(strays, 0)} failed`);
  return problems.length === 0;
}

function explain({ message, stack, diff }) {
  return [stack ?? message, diff].filter(Boolean).join("\n");
}

function fileOf(test) {
  return test.module.moduleId.split(/[\\/]/).at(-1);
}

function flavourOf(test) {
  const { sync, async: asynchronous } = test.meta().flavours ?? {};
  if (sync && asynchronous) return "both";
  return sync ? "sync" : asynchronous ? "async" : "none";
}

function rowOf(rows, file, flavour) {
  const key = `${file}\0${flavour}`;
  let row = rows.get(key);
  if (!row) {
    row = { file, flavour, passed: 0, failed: 0, sqliteOnly: 0, skipped: 0 };
    rows.set(key, row);
  }
  return row;
}

function printTable(rows) {
  const sorted = [...rows.values()].sort(
    (a, b) => a.file.localeCompare(b.file) || FLAVOURS.indexOf(a.flavour) - FLAVOURS.indexOf(b.flavour),
  );
  const width = Math.max(4, ...sorted.map(({ file }) => file.length));
  const line = (...cells) =>
    console.log(
      cells
        .map((cell, i) => (i < 2 ? String(cell).padEnd(i ? 8 : width) : String(cell).padStart(11)))
        .join(" "),
    );
  line("file", "storage", "passed", "failed", "SQLite only", "skipped");
  for (const { file, flavour, passed, failed, sqliteOnly, skipped } of sorted) {
    line(file, flavour, passed, failed, sqliteOnly, skipped);
  }
}
