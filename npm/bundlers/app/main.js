/** Writes a CoMap, or reads it back in a page that was opened later. */
import { LocalNode } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { createNativeStorage } from "jazz-native-storage";

const KEY = "written";

async function write() {
  const [storage, crypto] = await Promise.all([createNativeStorage(), WasmCrypto.create()]);
  const { node, accountID, accountSecret } = await LocalNode.withNewlyCreatedAccount({
    crypto,
    creationProps: { name: "Ada" },
    storage,
  });
  const map = node.createGroup().createMap({ title: "kept" });
  await node.syncManager.waitForAllCoValuesSync?.();
  await map.core.waitForSync();
  await node.gracefulShutdown();
  localStorage.setItem(KEY, JSON.stringify({ accountID, accountSecret, map: map.id }));
}

async function read() {
  const { accountID, accountSecret, map } = JSON.parse(localStorage.getItem(KEY));
  const [storage, crypto] = await Promise.all([createNativeStorage(), WasmCrypto.create()]);
  const node = await LocalNode.withLoadedAccount({
    crypto,
    accountID,
    accountSecret,
    sessionID: crypto.newRandomSessionID(accountID),
    peers: [],
    storage,
  });
  return (await node.load(map)).get("title");
}

globalThis.bundled = { write, read };
