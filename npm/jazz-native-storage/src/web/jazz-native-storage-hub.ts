/** The shared worker behind `hub.ts`. It keeps who leads, and nothing else. */
import type { FromHub, ToHub } from "./hub.js";

/** By database. */
const leading = new Map<string, { readonly leader: string; readonly port: MessagePort }>();

addEventListener("connect", (event) => {
  const [page] = (event as MessageEvent).ports;
  if (!page) return;
  page.onmessage = ({ data, ports: [joining] }: MessageEvent<ToHub>) => {
    if (data.kind === "lead") {
      leading.set(data.database, { leader: data.leader, port: page });
      return;
    }
    const one = leading.get(data.database);
    if (joining && one?.leader === data.leader) {
      one.port.postMessage({ kind: "join", client: data.client } satisfies FromHub, [joining]);
    }
  };
});
