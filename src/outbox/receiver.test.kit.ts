/** A receiver of webhooks over real HTTP, which fails as it is told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it arrived. */
export type Received = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly key: string };

/** How the receiver answers one request. */
export type Manner = (response: ServerResponse) => void;

/** Answers with a status. */
export function answer(status: number, body = "", headers: Record<string, string> = {}): Manner {
  return (response) => void response.writeHead(status, headers).end(body);
}

/** Never answers. */
export const hang: Manner = () => {};

/** Closes the connection without a word. */
export const reset: Manner = (response) => void response.socket?.resetAndDestroy();

/** Says 200, begins an answer, and closes the connection in the middle of it. */
export const resetInside: Manner = (response) => {
  response.writeHead(200, { "content-length": "1000" });
  response.write("begun", () => response.socket?.resetAndDestroy());
};

/** A running receiver. */
export type Receiver = {
  readonly url: string;
  readonly received: readonly Received[];
  /** Resolves at the n-th request. */
  arrived(count: number): Promise<void>;
  close(): Promise<void>;
};

/** @param script the manners of the first requests, in order; then `always` */
export async function startReceiver(
  script: readonly Manner[] = [],
  always: Manner = answer(200, "thanks"),
): Promise<Receiver> {
  const received: Received[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body, key: String(request.headers["idempotency-key"]) });
      (script[received.length - 1] ?? always)(response);
      for (const { count, resolve } of waiting) if (received.length >= count) resolve();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    arrived: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve });
        if (received.length >= count) resolve();
      }),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}
