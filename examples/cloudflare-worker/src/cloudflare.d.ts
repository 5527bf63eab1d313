/** What this example uses of Cloudflare's types; `npx wrangler types` makes all of them. */
interface DurableObjectId {
  toString(): string;
}

interface DurableObjectNamespace {
  idFromName(name: string): DurableObjectId;
  get(id: DurableObjectId): { fetch(request: Request): Promise<Response> };
}

declare module "cloudflare:workers" {
  export abstract class DurableObject<Env> {
    constructor(state: unknown, env: Env);
    protected readonly env: Env;
    fetch?(request: Request): Promise<Response>;
  }
}
