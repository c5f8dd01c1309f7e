import type { Readable, Writable } from "node:stream";
import type { Factotum } from "./factotum.ts";

/** The most bytes of one message. */
const MESSAGE_BYTES_MAX = 1_048_576;

/** A client connected over a pair of streams. */
export type McpOverStdio = {
  /** Resolves when the client has closed its end. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
};

/**
 * Serves MCP to the one client at the other end of stdin and stdout; nothing else may write there. The
 * protocol is loaded here: it would be a tenth of the time that any other command takes to start.
 */
export async function serveMcp(
  factotum: Factotum,
  agent: string,
  streams: { readonly stdin: Readable; readonly stdout: Writable },
  say: (line: string) => void,
): Promise<McpOverStdio> {
  const { serveStdio, StdioServerTransport } = await import("@modelcontextprotocol/server/stdio");
  const { makeMcpServer } = await import("./mcp.ts");
  const ended = new Promise<void>((resolve) => {
    for (const event of ["end", "close", "error"]) streams.stdin.once(event, () => resolve());
  });
  const transport = new StdioServerTransport(streams.stdin, streams.stdout, {
    maxBufferSize: MESSAGE_BYTES_MAX,
  });
  const onerror = (error: Error): void => say(`mcp: ${error.message}`);
  const served = serveStdio(() => makeMcpServer(factotum, agent, say), { transport, onerror });
  return { ended, close: () => served.close() };
}
