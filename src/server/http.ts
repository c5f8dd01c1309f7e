import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { FactotumError, messageOf } from "../kernel/index.ts";
import type { Factotum } from "./factotum.ts";
import { type Binding, checkBinding } from "./http-guard.ts";

/** A running API. `url` is its root, such as `http://127.0.0.1:7717/api`. */
export type HttpServer = { readonly url: string; close(): Promise<void> };

/** A slow client is cut off after these, so that it cannot hold a connection for ever. */
const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 30_000;
const KEEPALIVE_MS = 5_000;
/** How much longer than it says an idle connection is kept, so that a busy client never meets its end. */
const KEEPALIVE_GRACE_MS = 10_000;
const CHECK_MS = 2_000;
const CONNECTIONS_MAX = 256;
/** How long requests in hand may take to end after `close()`. */
const CLOSE_MS_MAX = 5_000;

/**
 * Serves the HTTP API of a project.
 *
 * @param binding port 0 takes any free port; a host that is not loopback needs a token
 * @throws {InputError} `token-missing`; {FactotumError} `port-taken`, `port-refused`, `listen-failed`
 */
export async function serveHttp(
  factotum: Factotum,
  binding: Binding,
  say: (line: string) => void = () => {},
): Promise<HttpServer> {
  checkBinding(binding);
  // Most commands serve nothing, and have nothing of this to load.
  const { getRequestListener } = await import("@hono/node-server");
  const { makeRoutes } = await import("./http-routes.ts");
  const routes = makeRoutes(factotum, binding, say);
  const listener = getRequestListener(routes.fetch, { overrideGlobalObjects: false });
  const server = createServer(
    {
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEPALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => void listener(request, response),
  );
  server.keepAliveTimeoutBuffer = KEEPALIVE_GRACE_MS;
  server.maxConnections = CONNECTIONS_MAX;
  server.on("clientError", refuse);
  await listen(server, binding);
  const { port } = server.address() as AddressInfo;
  return { url: `http://${inUrl(binding.host)}:${port}/api`, close: () => close(server) };
}

async function listen(server: Server, { host, port }: Binding): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: host.replace(/^\[|\]$/g, ""), port, exclusive: true }, resolve);
    });
  } catch (error) {
    throw explain(error, host, port);
  }
}

function explain(error: unknown, host: string, port: number): FactotumError {
  const code = error instanceof Error && "code" in error ? error.code : "";
  const known: Readonly<Record<string, { readonly code: string; readonly message: string }>> = {
    EADDRINUSE: {
      code: "port-taken",
      message:
        `port ${port} on ${host} is taken, perhaps by another factotum; ` +
        `stop that one, or choose another port with --port ${port === 65_535 ? port - 1 : port + 1}`,
    },
    EACCES: {
      code: "port-refused",
      message: `this user may not listen on port ${port}; choose one above 1023 with --port`,
    },
    EADDRNOTAVAIL: {
      code: "listen-failed",
      message: `this machine has no address ${host}; choose another with --host`,
    },
    ENOTFOUND: {
      code: "listen-failed",
      message: `the host name ${host} is not known; choose another with --host`,
    },
  };
  const said = known[String(code)] ?? {
    code: "listen-failed",
    message: `cannot listen on ${host}:${port}: ${messageOf(error)}`,
  };
  return new FactotumError({ ...said, retry: "never", cause: error });
}

/** What never became a request is answered in the same form as everything else, then cut off. */
function refuse(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? ["408 Request Timeout", "request-timeout", "the request took too long to arrive"]
      : ["400 Bad Request", "request-broken", "this is not an HTTP request that can be read"];
  const body = JSON.stringify({ error: { code, message } });
  const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

async function close(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS_MAX);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
}

function inUrl(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
