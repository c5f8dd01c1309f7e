import { CLIENT_INFO_META_KEY, ProtocolError, ProtocolErrorCode, Server } from "@modelcontextprotocol/server";
import type { ServerContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Watcher } from "../agents/index.ts";
import type { JsonObject } from "../kernel/index.ts";
import type { Factotum } from "./factotum.ts";
import { callMcp, hasTool } from "./mcp-calls.ts";
import { menuOf } from "./mcp-tools.ts";
import { readResource, RESOURCES } from "./mcp-resources.ts";
import { instructions, workPrompt } from "./mcp-words.ts";
import { version } from "./version.ts";

const PROMPT = "work";
const TASK_CHARS_MAX = 20_000;
const CLIENT_CHARS_MAX = 60;
/** What a request of the present protocol says of its client. */
const ENVELOPE = z.looseObject({ [CLIENT_INFO_META_KEY]: z.looseObject({ name: z.string() }).optional() });

/**
 * An MCP server over one agent, for one connection or one request: it keeps nothing between two calls, so any
 * process may take any of them.
 *
 * @throws {InputError} `agent-unknown`; what introspection throws for a missing table
 */
export async function makeMcpServer(
  factotum: Factotum,
  agentName: string,
  say: (line: string) => void,
): Promise<Server> {
  const { agent, toolbox } = await factotum.outside.bench(agentName);
  const menu = menuOf(agent, toolbox);
  const server = new Server(
    { name: "factotum", title: `Factotum: ${agent.name} of ${factotum.config.name}`, version },
    {
      capabilities: { tools: {}, resources: {}, prompts: {} },
      instructions: instructions(agent, [...menu.routes.keys()]),
    },
  );
  server.setRequestHandler("tools/list", () => ({ tools: [...menu.listed] }));
  server.setRequestHandler("tools/call", ({ params }, context) => {
    if (!hasTool(menu, params.name))
      throw unknown(
        `tool ${params.name}`,
        menu.listed.map((tool) => tool.name),
      );
    const client = `mcp:${clientName(context, server.getClientVersion()?.name)}`;
    const { _meta: meta } = params;
    const watcher = watcherOf(context, meta?.progressToken);
    const caller = { factotum, agent: agent.name, menu, client, watcher, say };
    return callMcp(caller, params.name, (params.arguments ?? {}) as JsonObject);
  });
  server.setRequestHandler("resources/list", () => ({ resources: [...RESOURCES] }));
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: [] }));
  server.setRequestHandler("resources/read", ({ params }) => readResource(factotum, agent, params.uri));
  server.setRequestHandler("prompts/list", () => ({
    prompts: [
      {
        ...{ name: PROMPT, description: "Do a piece of work in a staged change set." },
        arguments: [{ name: "task", description: "What is to be done, in words.", required: true }],
      },
    ],
  }));
  server.setRequestHandler("prompts/get", ({ params }) => {
    if (params.name !== PROMPT) throw unknown(`prompt ${params.name}`, [PROMPT]);
    const text = workPrompt(agent, (params.arguments?.["task"] ?? "").slice(0, TASK_CHARS_MAX));
    return { messages: [{ role: "user", content: { type: "text", text } }] };
  });
  return server;
}

/** Tells a client that asked for progress how long its call waits; one that has gone is not waited for. */
function watcherOf({ mcpReq }: ServerContext, token: string | number | undefined): Watcher {
  const tell = async (progress: number, total: number): Promise<void> => {
    const params = { progressToken: token, progress, total, message: "milliseconds waited for verifiers" };
    await mcpReq.notify({ method: "notifications/progress", params });
  };
  return {
    signal: mcpReq.signal,
    // A client that cannot be told any more has gone; the signal says so.
    waited: (ms, msMax) => void (token === undefined || tell(ms, msMax).catch(() => {})),
  };
}

/** As the client calls itself, on each request or when it connected; kept to what a timeline can show. */
function clientName(context: ServerContext, connected: string | undefined): string {
  const envelope = ENVELOPE.safeParse(context.mcpReq.envelope);
  const said = envelope.data?.[CLIENT_INFO_META_KEY]?.name ?? connected ?? "client";
  const clean = said.replaceAll(/[^\p{L}\p{N} ._/@-]/gu, "").trim();
  return clean.slice(0, CLIENT_CHARS_MAX) || "client";
}

function unknown(what: string, known: readonly string[]): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `there is no ${what}; there is ${known.join(", ")}`,
  );
}
