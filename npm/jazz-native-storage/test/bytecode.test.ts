/** What is read most while a process begins is compiled once: V8 compiles functions of this size into none of their callers. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

/** The most bytes of bytecode that V8 compiles into a caller (`--max-inlined-bytecode-size`). */
const INLINED = 460;

test.each([
  ["whole.js", "readWhole", "readWhole(new Uint8Array(16))"],
  ["lists.js", "readLentKnownState", 'readLentKnownState("co_z1", new Uint8Array(8))'],
])("of %s, %s is too large to be compiled into another function", (file, name, call) => {
  const module = new URL(`../dist/codec/${file}`, import.meta.url).href;
  const program = `import { ${name} } from ${JSON.stringify(module)}; try { ${call}; } catch {}`;
  const flags = ["--print-bytecode", `--print-bytecode-filter=${name}`];
  const printed = execFileSync(process.execPath, [...flags, "--input-type=module", "-e", program]).toString();
  const [length] = [...printed.matchAll(/^Bytecode length: (\d+)$/gm)].map(([, bytes]) => Number(bytes));
  expect(length).toBeGreaterThan(INLINED);
});
