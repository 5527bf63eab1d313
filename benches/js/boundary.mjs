/**
 * Measures what it costs to cross from JavaScript into the engine and back, through the Node-API addon and through the
 * WebAssembly module, beside what JavaScript needs alone for the same bytes; and how large the libraries are. Each side
 * runs in a process of its own, and they take turns in each round.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { BINDINGS, isBinding, isBuilt } from "./src/bindings.mjs";
import { boundaryTable, librarySizes } from "./src/boundary-report.mjs";
import { inOwnProcess, keepFigures, progress, whole } from "./src/command.mjs";
import { bytes } from "./src/figures.mjs";
import { describeMachine, load } from "./src/machine.mjs";

/**
 * @typedef {import("./src/bindings.mjs").BindingName} BindingName
 * @typedef {import("./src/boundary-phase.mjs").BoundaryResult} BoundaryResult
 * @typedef {import("./src/boundary-report.mjs").Side} Side
 */

const USAGE = `node boundary.mjs [options]

  --quick         few calls and one round: shows that everything works, measures nothing
  --rounds N      rounds (7; with --quick 1)
  --bindings A,B  bindings, of ${Object.keys(BINDINGS).join(", ")} (those that are built)
  --seed N        seed of the messages (1)
`;

const PHASE = new URL("src/boundary-phase.mjs", import.meta.url);

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    bindings: { type: "string" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const rounds = whole("rounds", options.rounds ?? (options.quick ? "1" : "7"), USAGE);
const seed = whole("seed", options.seed, USAGE);
const bindings = (options.bindings?.split(",") ?? Object.keys(BINDINGS).filter(builtNamed)).filter(named);
const source = bindings[0];
if (!source) throw new Error("no binding is built; npm run build makes the addon");
/** @type {Side[]} */
const sides = [...bindings, "floor"];

const machine = describeMachine();
console.log(`${machine.cpu}, ${machine.processors} processors, ${machine.system}, Node ${machine.node}`);
console.log(
  `jazz-native-storage ${machine.jazzNativeStorage}, ${rounds} rounds, seed ${seed}, load average ${machine.load.toFixed(2)}`,
);
if (options.quick) console.log("quick: these times say nothing about speed");

const results = await measure(source);
const [first] = results.get(source) ?? [];
assert.ok(first);
console.log(
  `\nMicroseconds per call; stores in memory; messages of ${bytes(first.messageBytes)}, a CoValue of ${bytes(first.loadedBytes)}`,
);
console.log(`\n${boundaryTable(results)}\n`);
console.log(
  `  Verified: what was stored is what is loaded, the same bytes by all bindings: ${first.loaded.slice(0, 16)}`,
);
const { table, sizes } = librarySizes(bindings);
console.log(`\n${table}`);

const loadAfter = load();
console.log(`\nLoad average at the end ${loadAfter.toFixed(2)} (this run makes about 1 of it)`);
const kept = { options, machine, loadAfter, rounds: Object.fromEntries(results), sizes };
console.log(`Raw figures: ${keepFigures("boundary", kept)}`);

/**
 * @param {BindingName} source the binding of which the floor gets its bytes
 * @returns {Promise<Map<Side, BoundaryResult[]>>}
 */
async function measure(source) {
  /** @type {Map<Side, BoundaryResult[]>} */
  const results = new Map(sides.map((side) => [side, []]));
  /** @type {string | undefined} */
  let expected;
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const side = /** @type {Side} */ (sides[(round + turn) % sides.length]);
      progress(`round ${round + 1} of ${rounds}, ${side}`);
      const which = side === "floor" ? ["floor", source] : ["binding", side];
      const parameters = [...which, String(seed), options.quick ? "quick" : "full"];
      const result = /** @type {BoundaryResult} */ (await inOwnProcess(PHASE, ...parameters));
      expected ??= result.loaded;
      assert.equal(result.loaded, expected, `${side}: loads other bytes than another binding`);
      results.get(side)?.push(result);
    }
  }
  progress("");
  return results;
}

/** @param {string} name */
function builtNamed(name) {
  if (isBinding(name) && isBuilt(name)) return true;
  console.log(`Left out, as it is not built: ${name}`);
  return false;
}

/**
 * @param {string} name
 * @returns {name is BindingName}
 */
function named(name) {
  if (!isBinding(name)) throw new Error(`there is no binding ${name}\n\n${USAGE}`);
  if (!isBuilt(name))
    throw new Error(`${name} is not built: ${BINDINGS[name].file} or what belongs to it is missing`);
  return true;
}
