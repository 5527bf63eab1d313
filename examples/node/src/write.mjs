/**
 * The first process: `write.mjs PEER DIRECTORY EXPECTED [quick]` creates an account and a workspace on the storage
 * PEER in DIRECTORY, waits until everything is stored, and writes to the file EXPECTED what has to be found again.
 */
import { writeFileSync } from "node:fs";
import { LocalNode } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { isPeer, PEERS } from "jazz-native-storage-benches/peers";
import { describe } from "./describe.mjs";
import { timeStorage } from "./stopwatch.mjs";
import { FULL, fillWorkspace, QUICK } from "./workspace.mjs";

/**
 * @typedef {import("./describe.mjs").Description} Description
 *
 * @typedef {object} Expected
 * @property {import("cojson").RawAccountID} accountID
 * @property {import("cojson").AgentSecret} accountSecret
 * @property {Description[]} values
 *
 * @typedef {object} Written
 * @property {number} pid
 * @property {string} crypto
 * @property {number} milliseconds from opening the storage to closing it
 * @property {number} storageMilliseconds of these, spent in the storage
 * @property {number} messages
 * @property {import("jazz-native-storage").StorageStats | undefined} stats before closing
 */

const [peer = "", directory = "", file = "", size] = process.argv.slice(2);
if (!isPeer(peer)) throw new Error(`there is no storage ${peer}`);

const crypto = await NapiCrypto.create();
const start = performance.now();
const opened = await PEERS[peer].open(directory);
const spent = timeStorage(opened.storage);
const { node, accountID, accountSecret } = await LocalNode.withNewlyCreatedAccount({
  crypto,
  creationProps: { name: "Ada Løvelace" },
  storage: opened.storage,
});
await fillWorkspace(node, size === "quick" ? QUICK : FULL);
await node.syncManager.waitForAllCoValuesSync();
const stats = await opened.native?.stats();
await node.gracefulShutdown();
await opened.close();
const milliseconds = performance.now() - start;
if (spent.stored !== spent.stores) {
  throw new Error(`${spent.stores - spent.stored} of ${spent.stores} messages were not reported stored`);
}

/** @type {Description[]} */
const values = [];
for (const core of node.allCoValues()) if (core.isAvailable()) values.push(describe(core));
/** @type {Expected} */
const expected = { accountID, accountSecret, values };
writeFileSync(file, JSON.stringify(expected));
/** @type {Written} */
const written = {
  pid: process.pid,
  crypto: crypto.constructor.name,
  milliseconds,
  storageMilliseconds: spent.store,
  messages: spent.stores,
  stats,
};
process.send?.(written);
