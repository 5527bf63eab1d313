/** Data to look at: what a small team would have, written by a node of its own. */
import { LocalNode, type RawCoList } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import type { JazzNativeStorage } from "jazz-native-storage";

const TASKS = 40;
const NOTES = 12;
const EDITS = 8;
const FILE_CHUNKS = 4;
/** Bytes of a file in one transaction, as Jazz cuts them. */
const FILE_CHUNK = 100 * 1024;

/** Creates an account with a group, tasks, notes, a stream and a file, and deletes one task. Resolves when all is stored. */
export async function addSample(storage: JazzNativeStorage): Promise<void> {
  const crypto = await WasmCrypto.create();
  const { node } = await LocalNode.withNewlyCreatedAccount({
    crypto,
    creationProps: { name: "Ada" },
    storage,
  });
  const group = node.createGroup();
  const list = group.createList<RawCoList<string>>([]);
  let last = group.createMap({});
  for (let n = 0; n < TASKS; n++) {
    last = group.createMap({ title: `Task ${n + 1}`, done: n % 3 === 0 });
    for (let edit = 0; edit < n % EDITS; edit++) last.set("note", `Edited ${edit + 1} times`);
    list.append(last.id);
  }
  for (let n = 0; n < NOTES; n++) {
    const note = group.createList<RawCoList<string>>([`Note ${n + 1}`]);
    for (let edit = 0; edit < EDITS; edit++) note.append("Some more words to read. ".repeat(edit + 1));
  }
  const feed = group.createStream();
  for (let n = 0; n < EDITS; n++) feed.push(`Event ${n + 1}`);
  const file = group.createBinaryStream();
  file.startBinaryStream({ mimeType: "application/octet-stream", fileName: "noise.bin" });
  for (let n = 0; n < FILE_CHUNKS; n++) {
    // As many as there may be at a time.
    const bytes = new Uint8Array(FILE_CHUNK);
    for (let at = 0; at < bytes.length; at += 65_536) {
      globalThis.crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    }
    file.pushBinaryStreamChunk(bytes);
  }
  file.endBinaryStream();
  await node.syncManager.waitForAllCoValuesSync();
  await storage.flush();
}
