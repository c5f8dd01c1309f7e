import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Where operators look, apart from calls: its own port and no key, so it belongs at a private address. */
export type Admin = { readonly url: string; close(): Promise<void> };

/** What is shown there. */
export type AdminParts = {
  /** In the text form of Prometheus. */
  metrics(): string;
  /** Whether new calls are taken. */
  ready(): boolean;
};

/** Serves `/metrics`, `/healthz` (the process lives) and `/readyz` (it takes calls). */
export async function openAdmin(
  at: { readonly host: string; readonly port: number },
  parts: AdminParts,
): Promise<Admin> {
  const server = createServer((request, response) => {
    request.resume();
    const plain = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
    if (request.method !== "GET") response.writeHead(405).end();
    else if (request.url === "/metrics") response.writeHead(200, plain).end(parts.metrics());
    else if (request.url === "/healthz") response.writeHead(200, plain).end("ok");
    else if (request.url === "/readyz") response.writeHead(parts.ready() ? 200 : 503, plain).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${at.host.includes(":") ? `[${at.host}]` : at.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
