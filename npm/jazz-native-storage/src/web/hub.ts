/**
 * Brings the tabs of a database together: a shared worker takes a port from one that follows to the one that leads.
 *
 * Ports are three to four times quicker than channels in Chromium, and only shared workers can pass them between tabs. Where
 * there are none, or this one does not answer, channels do.
 */

import { hubWorker } from "./files.js";

/** To the shared worker. `join` comes with a port. */
export type ToHub =
  | { readonly kind: "lead"; readonly database: string; readonly leader: string }
  | { readonly kind: "join"; readonly database: string; readonly leader: string; readonly client: string };

/** From it, to the page that leads, with the port. */
export interface FromHub {
  readonly kind: "join";
  readonly client: string;
}

export class Hub {
  private constructor(
    private readonly database: string,
    private readonly port: MessagePort,
  ) {}

  /** Nothing where there are no shared workers. */
  static open(database: string, onJoin: (client: string, port: MessagePort) => void): Hub | undefined {
    if (typeof SharedWorker === "undefined") return undefined;
    try {
      const worker = hubWorker();
      if (!worker) return undefined;
      const { port } = worker;
      port.onmessage = ({ data, ports: [joining] }: MessageEvent<FromHub>) => {
        if (joining) onJoin(data.client, joining);
      };
      return new Hub(database, port);
    } catch {
      // Forbidden, as in some frames.
      return undefined;
    }
  }

  lead(leader: string): void {
    this.port.postMessage({ kind: "lead", database: this.database, leader } satisfies ToHub);
  }

  join(leader: string, client: string, port: MessagePort): void {
    this.port.postMessage({ kind: "join", database: this.database, leader, client } satisfies ToHub, [port]);
  }
}
