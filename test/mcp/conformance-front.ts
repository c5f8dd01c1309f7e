/**
 * Stands between the conformance suite and a real server: gives what we serve the names that the suite calls
 * it by, and tools the `attempt` that the suite does not know of. Everything else goes through untouched, so
 * that what is judged is the server's transport, guard, errors and progress.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** What the suite is given. */
export type Front = { readonly url: string; close(): Promise<void> };

type Params = { name?: string; uri?: string; arguments?: Record<string, unknown> };

/**
 * Starts one before the server at `target`.
 *
 * @param attempts open attempts: one for plain tools, one with something staged to commit
 * @param onProgress called with the number of progress notifications of a commit so far
 */
export async function conformanceFront(
  target: string,
  attempts: { readonly plain: string; readonly staged: string },
  onProgress: (count: number) => void,
): Promise<Front> {
  const renamed = (method: string, params: Params): Params => {
    if (method === "tools/call" && params.name === "test_tool_with_progress") {
      return { ...params, name: "commit", arguments: { attempt: attempts.staged } };
    }
    if (method === "tools/call") {
      return { ...params, arguments: { ...params.arguments, attempt: attempts.plain } };
    }
    if (method === "resources/read" && params.uri === "test://static-text") {
      return { ...params, uri: "factotum://policy" };
    }
    const prompts = ["test_simple_prompt", "test_prompt_with_arguments"];
    if (method === "prompts/get" && prompts.includes(params.name ?? "")) {
      return { ...params, name: "work", arguments: { task: JSON.stringify(params.arguments ?? {}) } };
    }
    return params;
  };
  const server = createServer((incoming, outgoing) => {
    forward(target, incoming, outgoing, renamed, onProgress).catch(() => outgoing.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://127.0.0.1:${port}/mcp`, close };
}

async function forward(
  target: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  renamed: (method: string, params: Params) => Params,
  onProgress: (count: number) => void,
): Promise<void> {
  let body = await buffer(incoming);
  if (body.length > 0) {
    const message = JSON.parse(body.toString()) as { method: string; params?: Params };
    const params = message.params && renamed(message.method, message.params);
    body = Buffer.from(JSON.stringify({ ...message, params }));
  }
  const headers = { ...incoming.headers, "content-length": String(body.length) };
  const sent = request(target, { method: incoming.method, headers });
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  let count = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const told = chunk.toString("latin1").split("notifications/progress").length - 1;
    if (told > 0) onProgress((count += told));
    outgoing.write(chunk);
  }
  outgoing.end();
}
