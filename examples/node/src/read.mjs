/**
 * The second process: `read.mjs PEER DIRECTORY EXPECTED` loads everything that EXPECTED names with a new node, and
 * compares it with what EXPECTED tells. Ends with exit code 1, and says where, if anything differs.
 */
import { readFileSync } from "node:fs";
import { LocalNode } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { isPeer, PEERS } from "jazz-native-storage-benches/peers";
import { compare, describe } from "./describe.mjs";
import { timeStorage } from "./stopwatch.mjs";

/**
 * @typedef {object} Read
 * @property {number} pid
 * @property {number} milliseconds from opening the storage until every CoValue has all its content
 * @property {number} storageMilliseconds of these, spent in the storage
 * @property {number} compared values, edits, signatures and digests that were found to be the same
 * @property {import("jazz-native-storage").StorageStats | undefined} stats
 */

const SHOWN_DIFFERENCES = 10;

const [peer = "", directory = "", file = ""] = process.argv.slice(2);
if (!isPeer(peer)) throw new Error(`there is no storage ${peer}`);
/** @type {import("./write.mjs").Expected} */
const { accountID, accountSecret, values } = JSON.parse(readFileSync(file, "utf8"));

const crypto = await NapiCrypto.create();
const start = performance.now();
const opened = await PEERS[peer].open(directory);
const spent = timeStorage(opened.storage);
const node = await LocalNode.withLoadedAccount({
  accountID,
  accountSecret,
  sessionID: undefined,
  peers: [],
  crypto,
  storage: opened.storage,
});
for (const { id } of values) {
  const core = await node.loadCoValueCore(/** @type {import("cojson").RawCoID} */ (id), undefined, true);
  if (core.isAvailable()) await core.waitForFullStreaming();
}
const milliseconds = performance.now() - start;
const storageMilliseconds = spent.load;

let compared = 0;
/** @type {string[]} */
const differences = [];
for (const expected of values) {
  const core = node.getCoValue(/** @type {import("cojson").RawCoID} */ (expected.id));
  const found = core.isAvailable() ? describe(core) : undefined;
  const result = compare({ ...expected }, found && { ...found }, `${expected.kind} ${expected.id}`);
  compared += result.compared;
  differences.push(...result.differences);
}
const stats = await opened.native?.stats();
await node.gracefulShutdown();
await opened.close();

if (differences.length > 0) {
  console.error(`${PEERS[peer].label}: ${differences.length} differences from what was stored`);
  for (const difference of differences.slice(0, SHOWN_DIFFERENCES)) console.error(`  ${difference}`);
  process.exitCode = 1;
} else {
  /** @type {Read} */
  const read = { pid: process.pid, milliseconds, storageMilliseconds, compared, stats };
  process.send?.(read);
}
