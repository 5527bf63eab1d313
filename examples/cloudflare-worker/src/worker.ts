/**
 * A Worker with nodes of Jazz, by name, each in a Durable Object: that has one instance at a time, which may hold a WebSocket
 * from one request to the next, as an ordinary Worker may not.
 *
 * | request | |
 * |---|---|
 * | `POST /NAME/maps`, fields in JSON | makes a CoMap and answers its id when it is synced |
 * | `GET /NAME/maps/ID` | its fields |
 * | `PATCH /NAME/maps/ID`, fields in JSON | sets these |
 * | `POST /NAME/restart` | another node over the same storage |
 * | `GET /NAME/stats` | figures of the storage |
 */
import { DurableObject } from "cloudflare:workers";
import type { AgentSecret, JsonObject } from "cojson";
import { NativeStorageError } from "jazz-native-storage/edge";
import { Jazz } from "./node.js";

interface Env {
  readonly NODES: DurableObjectNamespace;
  readonly SYNC_SERVER?: string;
  readonly MAX_BYTES?: string;
  /** A secret of the Worker (`wrangler secret put AGENT_SECRET`). Without, what is stored can be read by its own node only. */
  readonly AGENT_SECRET?: string;
}

export class JazzNode extends DurableObject<Env> {
  private jazz: Promise<Jazz> | undefined;

  override async fetch(request: Request): Promise<Response> {
    try {
      this.jazz ??= this.start();
      return await answer(await this.jazz, request);
    } catch (error) {
      // The bound of the storage is reached.
      const isFull = error instanceof NativeStorageError && error.code === "DISK_FULL";
      return Response.json({ error: String(error) }, { status: isFull ? 507 : 500 });
    }
  }

  private async start(): Promise<Jazz> {
    const { SYNC_SERVER, MAX_BYTES, AGENT_SECRET } = this.env;
    return await Jazz.start({
      secret: (AGENT_SECRET as AgentSecret | undefined) ?? (await Jazz.newSecret()),
      syncServer: SYNC_SERVER,
      maxBytes: MAX_BYTES ? Number(MAX_BYTES) : undefined,
    });
  }
}

async function answer(jazz: Jazz, request: Request): Promise<Response> {
  const [, , what, id] = new URL(request.url).pathname.split("/");
  const fields = async () => (await request.json()) as JsonObject;
  const notFound = () => Response.json({ error: "not found" }, { status: 404 });
  switch (`${request.method} ${what}${id ? "/id" : ""}`) {
    case "POST maps":
      return Response.json({ id: await jazz.create(await fields()) }, { status: 201 });
    case "GET maps/id": {
      const found = await jazz.read(id ?? "");
      return found ? Response.json(found) : notFound();
    }
    case "PATCH maps/id":
      return (await jazz.update(id ?? "", await fields())) ? Response.json({ id }) : notFound();
    case "POST restart":
      await jazz.restart();
      return Response.json({});
    case "GET stats":
      return Response.json(await jazz.stats());
    default:
      return notFound();
  }
}

// biome-ignore lint/style/noDefaultExport: Workers are default exports
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, name] = new URL(request.url).pathname.split("/");
    if (!name) return new Response("a path begins with the name of a node\n", { status: 404 });
    return await env.NODES.get(env.NODES.idFromName(name)).fetch(request);
  },
};
