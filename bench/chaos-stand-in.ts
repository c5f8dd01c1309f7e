/** A provider stand-in over HTTP that remembers every call it served. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Served } from "./chaos-judge.ts";

/** The stand-in: its address, and what it has served so far. */
export type StandIn = { readonly url: string; readonly served: readonly Served[]; close(): Promise<void> };

/** Answers POST /run/step/attempt. */
export async function openStandIn(): Promise<StandIn> {
  const served: Served[] = [];
  const server = createServer((request, response) => {
    served.push({ key: (request.url ?? "/").slice(1), at: performance.now() });
    response.end("answer");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    served,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
