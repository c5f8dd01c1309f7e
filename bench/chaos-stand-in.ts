/** A provider stand-in over HTTP that remembers every call it served. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Served } from "./chaos-judge.ts";

/** The stand-in: its address, and what it has served so far. */
export type StandIn = {
  readonly url: string;
  readonly served: readonly Served[];
  /** Keys of the letters that arrived. */
  readonly letters: ReadonlySet<string>;
  close(): Promise<void>;
};

const LETTER = "/letter/";

/** Answers POST /run/step/attempt as a provider, and takes letters at /letter/key. */
export async function openStandIn(): Promise<StandIn> {
  const served: Served[] = [];
  const letters = new Set<string>();
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    if (path.startsWith(LETTER)) letters.add(path.slice(LETTER.length));
    else served.push({ key: path.slice(1), at: performance.now() });
    response.end("answer");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ served, letters },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
