/** Real nodes of cojson, with its own crypto, on our storage. */
import { join } from "node:path";
import { cojsonInternals, LocalNode, type RawCoMap, type SessionID } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { expect, test } from "vitest";
import type { JazzNativeStorage } from "../src/index.js";
import { FLAVOURS, open, temporaryDirectory } from "./support.js";

const crypto = await WasmCrypto.create();

test.each(FLAVOURS)(
  "an account, groups, a map with history and a stream, read back by another session (%s)",
  async (flavour) => {
    const path = join(temporaryDirectory(), "store");
    const secret = crypto.newRandomAgentSecret();
    const agent = crypto.getAgentID(secret);
    const node = (storage: JazzNativeStorage) => {
      const created = new LocalNode(secret, crypto.newRandomSessionID(agent) as SessionID, crypto);
      created.setStorage(storage);
      return created;
    };

    const first = node(await open({ path, flavour }));
    const parent = first.createGroup();
    const group = first.createGroup();
    group.extend(parent);
    const map = group.createMap();
    for (let i = 0; i < 300; i++)
      map.set(`key ${i % 10}`, `value ${i} é\ud83d`, i % 2 ? "private" : "trusting");
    const stream = group.createBinaryStream();
    stream.startBinaryStream({ mimeType: "application/octet-stream", fileName: "file" });
    const chunk = crypto.randomBytes(60_000);
    for (let i = 0; i < 30; i++) stream.pushBinaryStreamChunk(chunk);
    stream.endBinaryStream();
    await Promise.all([map, stream, group, parent].map((each) => each.core.waitForSync()));
    await first.gracefulShutdown();

    const second = node(await open({ path, flavour }));
    const loadedMap = (await second.load(map.id)) as RawCoMap;
    expect(loadedMap.toJSON()).toEqual(map.toJSON());
    expect(loadedMap.core.knownState()).toEqual(map.core.knownState());
    const loadedStream = (await second.load(stream.id)) as typeof stream;
    await loadedStream.core.waitForFullStreaming();
    const chunks = loadedStream.getBinaryChunks()?.chunks ?? [];
    expect(chunks.length).toBe(30);
    expect(
      chunks.every((each) => cojsonInternals.bytesToBase64(each) === cojsonInternals.bytesToBase64(chunk)),
    ).toBe(true);
    loadedMap.set("after", "reopening");
    await loadedMap.core.waitForSync();
    await second.gracefulShutdown();
  },
);
