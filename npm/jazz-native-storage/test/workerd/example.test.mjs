/** The example Worker, in workerd: alone, and with a sync server, which is what makes it durable. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { resolve } from "node:path";
import { after, test } from "node:test";
import { LocalNode } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { createWebSocketPeer } from "cojson-transport-ws";
import { WebSocketServer } from "ws";
import { bundle, root } from "./bundle.mjs";
import { startWorker } from "./workers.mjs";

const crypto = await WasmCrypto.create();
const closing = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

/** The example, as one process of workerd; what it asks is answered by status and JSON. */
async function startExample(bindings) {
  const modules = await bundle(resolve(root, "examples/cloudflare-worker/src/worker.ts"));
  const worker = await startWorker(modules, {
    durableObjects: { NODES: { className: "JazzNode", useSQLite: true } },
    bindings,
  });
  let isRunning = true;
  const dispose = async () => {
    if (isRunning) await worker.dispose();
    isRunning = false;
  };
  closing.push(dispose);
  const ask = async (method, path, body) => {
    const response = await worker.dispatchFetch(`http://worker/${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    return { status: response.status, ...(await response.json()) };
  };
  return { ask, dispose };
}

/** A sync server: a node in memory, that everybody may connect to. */
async function startServer() {
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  let clients = 0;
  server.on("connection", (websocket) => {
    const id = `client${clients++}`;
    node.syncManager.addPeer(
      createWebSocketPeer({ id, role: "client", websocket, batchingByDefault: false }),
    );
    // Clients take a server that does not do so for one that has gone.
    const pings = setInterval(
      () => websocket.send(JSON.stringify({ type: "ping", time: Date.now(), dc: "test" })),
      1_000,
    );
    websocket.on("close", () => clearInterval(pings));
  });
  closing.push(async () => {
    for (const client of server.clients) client.terminate();
    server.close();
    await node.gracefulShutdown();
  });
  return `ws://127.0.0.1:${server.address().port}`;
}

test("a node stores in the isolate's memory, and another node over the same storage loads it", async () => {
  const { ask } = await startExample({});
  const { status, id } = await ask("POST", "anna/maps", { title: "Milk", count: 1 });
  assert.equal(status, 201);
  assert.deepEqual(await ask("PATCH", `anna/maps/${id}`, { count: 2 }), { status: 200, id });
  assert.deepEqual(await ask("GET", `anna/maps/${id}`), { status: 200, title: "Milk", count: 2 });
  await ask("POST", "anna/restart");
  assert.deepEqual(await ask("GET", `anna/maps/${id}`), { status: 200, title: "Milk", count: 2 });
  // The group and the map.
  const { coValues, durability } = await ask("GET", "anna/stats");
  assert.deepEqual([coValues, durability], [2, "memory"]);
  // Another node of the same isolate has a storage of its own.
  assert.equal((await ask("GET", "bob/stats")).coValues, 0);
  assert.equal((await ask("GET", `bob/maps/${id}`)).status, 404);
});

test("what was synced is there for an isolate that knows nothing; what was not is gone with its isolate", async () => {
  const syncServer = await startServer();
  const secret = crypto.newRandomAgentSecret();
  const synced = await startExample({ SYNC_SERVER: syncServer, AGENT_SECRET: secret });
  const { id } = await synced.ask("POST", "anna/maps", { title: "Bread" });
  await synced.dispose();
  const alone = await startExample({ AGENT_SECRET: secret });
  const { id: lost } = await alone.ask("POST", "anna/maps", { title: "Lost" });
  await alone.dispose();

  const fresh = await startExample({ SYNC_SERVER: syncServer, AGENT_SECRET: secret });
  assert.deepEqual(await fresh.ask("GET", `anna/maps/${id}`), { status: 200, title: "Bread" });
  assert.equal((await fresh.ask("GET", "anna/stats")).coValues, 2);
  assert.equal((await fresh.ask("GET", `anna/maps/${lost}`)).status, 404);
  await fresh.dispose();
});

test("a full storage is an answer, not the end of the isolate", async () => {
  const { ask } = await startExample({ MAX_BYTES: String(1024 * 1024) });
  const text = "x".repeat(50_000);
  const made = [];
  let answer;
  do {
    answer = await ask("POST", "anna/maps", { text });
    if (answer.status === 201) made.push(answer.id);
  } while (answer.status === 201 && made.length < 100);
  assert(made.length > 3 && made.length < 100, `${made.length} were stored`);
  assert.equal(answer.status, 507, JSON.stringify(answer));
  assert.match(answer.error, /maxBytes 1048576/);
  await ask("POST", "anna/restart");
  for (const id of made) assert.equal((await ask("GET", `anna/maps/${id}`)).text, text);
});
