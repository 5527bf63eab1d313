/** Takes the storages through a trace: in turns, each phase in a process of its own, and compares what they give back. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inProcessOf, progress } from "./command.mjs";
import { contentDigest, knownDigest, knownStatesOf } from "./digest.mjs";
import { count } from "./figures.mjs";
import { peerOf } from "./peers.mjs";
import { isStrict, STRICT_PHASES, WINDOW } from "./plan.mjs";
import { seeded, shuffled } from "./random.mjs";

/**
 * @typedef {import("./machine.mjs").Cost} Cost
 * @typedef {import("./newer-node.mjs").Nodes} Nodes
 * @typedef {import("./peers.mjs").PeerName} PeerName
 * @typedef {import("./phase.mjs").Contents} Contents
 * @typedef {import("./phase.mjs").KnownResult} KnownResult
 * @typedef {import("./phase.mjs").LoadResult} LoadResult
 * @typedef {import("./phase.mjs").StoreResult} StoreResult
 * @typedef {import("./phase.mjs").Task} Task
 * @typedef {import("./result.mjs").Collector} Collector
 * @typedef {import("./trace.mjs").Trace} Trace
 * @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message
 *
 * @typedef {object} Run
 * @property {string} work folder for stores
 * @property {number} rounds
 * @property {number} seed of the order of loading
 * @property {readonly PeerName[]} peers
 * @property {Nodes} nodes
 * @property {Collector} collector
 *
 * @typedef {object} Files of a trace, for the processes that store and load it
 * @property {string} messages
 * @property {string} ids
 */

export const PHASE = new URL("phase.mjs", import.meta.url);

/**
 * @param {Run} run
 * @param {Trace} trace
 * @returns {Files}
 */
export function writeTrace({ work, seed }, { name, lines }) {
  const files = { messages: join(work, `${name}.messages`), ids: join(work, `${name}.ids`) };
  writeFileSync(files.messages, lines.join("\n"));
  const ids = new Set(parsed(lines).map(({ id }) => id));
  writeFileSync(files.ids, shuffled(seeded(seed), [...ids]).join("\n"));
  return files;
}

/** One trace, on its way through all storages. */
export class Measuring {
  /** What storages must agree on, as the first one gave it. */
  #agreed = new Map();
  /** @type {Set<PeerName>} */
  #failed = new Set();
  #verified = { loads: 0, strict: 0 };

  /**
   * @param {Run} run
   * @param {Trace} trace
   * @param {Files} files
   * @param {number} strict how many messages are stored where each is synced
   */
  constructor(run, trace, files, strict) {
    this.run = run;
    this.trace = trace;
    this.files = files;
    this.strict = strict;
    const messages = parsed(trace.lines);
    this.expected = {
      content: contentDigest(messages),
      known: knownDigest(knownStatesOf(messages)),
      strict: contentDigest(messages.slice(0, strict)),
    };
  }

  async measure() {
    const { rounds, peers } = this.run;
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < peers.length; turn++) {
        const peer = /** @type {PeerName} */ (peers[(round + turn) % peers.length]);
        if (this.#failed.has(peer)) continue;
        progress(`${this.trace.name}: round ${round + 1} of ${rounds}, ${peerOf(peer).label}`);
        try {
          if (isStrict(peer)) await this.#syncing(peer);
          else await this.#whole(peer);
        } catch (error) {
          this.#failed.add(peer);
          const reason = error instanceof Error ? error.message : String(error);
          this.run.collector.failures.push({ peer, workload: this.trace.name, reason });
        }
      }
    }
    progress("");
    this.#tellVerified();
  }

  /**
   * Storing everything, and what can be done with it.
   *
   * @param {PeerName} peer
   */
  async #whole(peer) {
    const { collector } = this.run;
    const { name } = this.trace;
    const floor = peerOf(peer).kind === "floor";
    await this.#inDirectory(peer, async (directory) => {
      const stored = /** @type {StoreResult} */ (
        await this.#phase("store", peer, directory, { window: WINDOW })
      );
      const { operations, open, work, close, diskBytes, peakBytes } = stored;
      collector.add(name, "store", peer, operations, { ...work, peakMemory: peakBytes });
      this.#latencies("store", peer, directory);
      if (peer === "nothing") await this.#load(peer, directory);
      if (floor) return;
      collector.add(name, "close", peer, 1, close);
      collector.add(name, "store-close", peer, operations, { ...sum(open, work, close), disk: diskBytes });
      await this.#load(peer, directory);
      await this.#known(peer, directory);
    });
  }

  /**
   * @param {PeerName} peer
   * @param {string} directory
   */
  async #load(peer, directory) {
    const { collector } = this.run;
    const loaded = /** @type {LoadResult} */ (await this.#phase("load", peer, directory, {}));
    const { operations, open, work, peakBytes, messages, transactions, characters } = loaded;
    const { name } = this.trace;
    collector.add(name, "load", peer, operations, { ...work, peakMemory: peakBytes });
    this.#latencies("load", peer, directory);
    if (peerOf(peer).kind === "floor") return;
    collector.add(name, "open", peer, 1, open);
    this.#agree(peer, "what is loaded", { transactions, characters });
    this.#agree(peer, `messages of the ${peerOf(peer).delivery} flavour`, messages);
  }

  /**
   * @param {PeerName} peer
   * @param {string} directory
   */
  async #known(peer, directory) {
    const answer = /** @type {KnownResult} */ (await this.#phase("known", peer, directory, { verify: true }));
    this.run.collector.add(this.trace.name, "known", peer, answer.operations, answer.work);
    assert.equal(answer.known, this.expected.known, "known states are not those of what was stored");
    this.#compare(peer, answer.contents, this.expected.content, "");
    this.#verified.loads += 1;
  }

  /**
   * Storing where every message is synced, one at a time and many in flight.
   *
   * @param {PeerName} peer
   */
  async #syncing(peer) {
    if (this.strict === 0) return;
    for (const [phase, window] of Object.entries(STRICT_PHASES)) {
      await this.#inDirectory(peer, async (directory) => {
        const verify = peerOf(peer).kind !== "floor";
        const options = { window, first: this.strict, verify };
        const { operations, work, contents } = /** @type {StoreResult} */ (
          await this.#phase("store", peer, directory, options)
        );
        this.run.collector.add(this.trace.name, phase, peer, operations, work);
        this.#latencies(phase, peer, directory);
        if (!verify) return;
        this.#compare(peer, contents, this.expected.strict, "of those synced ");
        this.#verified.strict += 1;
      });
    }
  }

  /**
   * @param {"store" | "load" | "known"} phase
   * @param {PeerName} peer
   * @param {string} directory
   * @param {Partial<Task>} options
   */
  async #phase(phase, peer, directory, options) {
    const latencies = latenciesIn(directory);
    const task = { directory: storeIn(directory), latencies, ...this.files, ...options };
    const { newer } = this.run.nodes;
    const node = peerOf(peer).newer && newer ? newer : process.execPath;
    return await inProcessOf(node, PHASE, phase, peer, JSON.stringify(task));
  }

  /**
   * @param {PeerName} peer
   * @param {(directory: string) => Promise<void>} work
   */
  async #inDirectory(peer, work) {
    const directory = mkdtempSync(join(this.run.work, `${peer}-`));
    mkdirSync(storeIn(directory));
    try {
      await work(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /**
   * @param {string} phase
   * @param {PeerName} peer
   * @param {string} directory
   */
  #latencies(phase, peer, directory) {
    const bytes = readFileSync(latenciesIn(directory));
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    this.run.collector.addLatencies(this.trace.name, phase, peer, values);
  }

  /**
   * @param {PeerName} peer
   * @param {Contents | undefined} contents
   * @param {string} expected
   * @param {string} which
   */
  #compare(peer, contents, expected, which) {
    assert.ok(contents);
    assert.equal(contents.content, expected, "what is loaded is not what was stored");
    this.#agree(peer, `deliveries ${which}in the ${peerOf(peer).delivery} flavour`, contents.deliveries);
  }

  /**
   * @param {PeerName} peer
   * @param {string} what
   * @param {unknown} value
   */
  #agree(peer, what, value) {
    const first = this.#agreed.get(what) ?? { peer, value };
    this.#agreed.set(what, first);
    assert.deepEqual(value, first.value, `${what}: not the same as of ${first.peer}`);
  }

  #tellVerified() {
    const { name, lines, values } = this.trace;
    const { loads, strict } = this.#verified;
    const { verified } = this.run.collector;
    const digest = (/** @type {string} */ text) => text.slice(0, 16);
    if (loads > 0) {
      verified.push(
        `${name}: ${count(loads)} loads of ${count(values)} values from ${count(lines.length)} messages, every byte by digest ${digest(this.expected.content)}, their known states, and message by message between storages`,
      );
    }
    if (strict > 0) {
      verified.push(
        `${name}, synced: ${count(strict)} loads of what ${count(this.strict)} messages make up, by digest ${digest(this.expected.strict)}`,
      );
    }
  }
}

/** @param {string} directory */
function storeIn(directory) {
  return join(directory, "store");
}

/** @param {string} directory */
function latenciesIn(directory) {
  return join(directory, "latencies");
}

/** @param {readonly string[]} lines */
function parsed(lines) {
  return lines.map((line) => /** @type {Message} */ (JSON.parse(line)));
}

/**
 * @param {...Cost} costs
 * @returns {Cost}
 */
function sum(...costs) {
  return costs.reduce((a, b) => ({ wall: a.wall + b.wall, cpu: a.cpu + b.cpu }));
}
