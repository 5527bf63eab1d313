/**
 * A node of Jazz with its storage, in the memory of an isolate, and its sync server.
 *
 * The storage spares the node from asking the sync server again for what it has once had, and for as long as the isolate lives.
 * It keeps nothing: what is not synced when the isolate ends is lost. So `save` waits for the sync server.
 */
import "./load-wasm.js";
import { type AgentSecret, type CoID, type JsonObject, LocalNode, type RawCoMap } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { createWorkerStorage, type NativeStorageSync } from "jazz-native-storage/edge";

export interface Settings {
  /** Whose node it is. */
  readonly secret: AgentSecret;
  /** Where to sync to. */
  readonly syncServer?: string;
  /** Bytes that the storage may take. */
  readonly maxBytes?: number;
}

/** Milliseconds to wait for the sync server. */
const SYNC_TIMEOUT = 10_000;

export class Jazz {
  private constructor(
    private readonly crypto: WasmCrypto,
    private readonly settings: Settings,
    private readonly storage: NativeStorageSync,
    /** Rejects when the storage is full: what is set from then on is stored by the sync server only. */
    private readonly degraded: Promise<never>,
    private node: LocalNode,
    private server: WebSocketPeerWithReconnection | undefined,
  ) {}

  static async start(settings: Settings): Promise<Jazz> {
    const crypto = await WasmCrypto.create();
    let degrade: (error: Error) => void = () => {};
    const degraded = new Promise<never>((_, reject) => {
      degrade = reject;
    });
    degraded.catch((error) => console.error("the storage is degraded:", error));
    const storage = createWorkerStorage({
      maxBytes: settings.maxBytes,
      onDegraded: ({ error }) => degrade(error),
    });
    const node = nodeOver(storage, crypto, settings);
    return new Jazz(crypto, settings, storage, degraded, node, connected(node, settings));
  }

  /** A new secret, for who has none yet. */
  static async newSecret(): Promise<AgentSecret> {
    return (await WasmCrypto.create()).newRandomAgentSecret();
  }

  /** Ends the node, and starts another one over the same storage, with nothing in memory. */
  async restart(): Promise<void> {
    this.server?.disable();
    await this.node.gracefulShutdown();
    this.node = nodeOver(this.storage, this.crypto, this.settings);
    this.server = connected(this.node, this.settings);
  }

  /** Makes a CoMap of these fields and gives its id. */
  async create(fields: JsonObject): Promise<string> {
    const map = this.node.createGroup().createMap();
    await this.save(map, fields);
    return map.id;
  }

  /** The fields of a CoMap; none if neither the storage nor the sync server has it. */
  async read(id: string): Promise<JsonObject | undefined> {
    return (await this.load(id))?.toJSON();
  }

  /** Sets fields of a CoMap. Whether there is one. */
  async update(id: string, fields: JsonObject): Promise<boolean> {
    const map = await this.load(id);
    if (map) await this.save(map, fields);
    return map !== undefined;
  }

  stats() {
    return this.storage.stats();
  }

  private async load(id: string): Promise<RawCoMap | undefined> {
    const loaded = await this.node.load(id as CoID<RawCoMap>);
    return loaded === "unavailable" ? undefined : loaded;
  }

  private async save(map: RawCoMap, fields: JsonObject): Promise<void> {
    for (const [name, value] of Object.entries(fields)) map.set(name, value);
    // A map cannot be read without its group.
    const synced = [map.core.getGroup(), map].map(({ core }) => core.waitForSync({ timeout: SYNC_TIMEOUT }));
    await Promise.race([Promise.all(synced), this.degraded]);
  }
}

function nodeOver(storage: NativeStorageSync, crypto: WasmCrypto, { secret }: Settings): LocalNode {
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  node.setStorage(storage);
  return node;
}

function connected(node: LocalNode, { syncServer }: Settings): WebSocketPeerWithReconnection | undefined {
  if (!syncServer) return undefined;
  const server = new WebSocketPeerWithReconnection({
    peer: syncServer,
    reconnectionTimeout: 100,
    addPeer: (peer) => node.syncManager.addPeer(peer),
    removePeer: () => {},
  });
  server.enable();
  return server;
}
