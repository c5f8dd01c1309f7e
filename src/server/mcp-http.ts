import type { McpHttpHandler } from "@modelcontextprotocol/server";
import type { Context, Hono } from "hono";
import type { Factotum } from "./factotum.ts";
import { readJson } from "./http-body.ts";
import { HttpError } from "./http-errors.ts";
import { servedAgent } from "./served-agent.ts";

/**
 * Serves MCP over streamable HTTP at `/mcp`, or `/mcp/NAME` where there are several agents: without sessions,
 * so that any process may take any request. The guard before it is the API's.
 */
export function mcpRoutes(app: Hono, factotum: Factotum, say: (line: string) => void): void {
  const handlers = new Map<string, McpHttpHandler>();
  const handlerOf = async (agent: string): Promise<McpHttpHandler> => {
    const { createMcpHandler } = await import("@modelcontextprotocol/server");
    const { makeMcpServer } = await import("./mcp.ts");
    const known = handlers.get(agent);
    if (known !== undefined) return known;
    const onerror = (error: Error): void => say(`mcp: ${error.message}`);
    const made = createMcpHandler(() => makeMcpServer(factotum, agent, say), { onerror });
    handlers.set(agent, made);
    return made;
  };
  const serve = async (context: Context): Promise<Response> => {
    const agent = servedAgent(factotum.config, context.req.param("agent"));
    if (!factotum.config.agents.some((one) => one.name === agent)) {
      throw new HttpError(
        404,
        "agent-unknown",
        `there is no agent ${agent}; ask GET /api/tools for those there are`,
      );
    }
    const { method, headers, signal } = context.req.raw;
    // A request of Node's own making: the adapter's cannot be cloned, and its body is read here.
    const request = new Request(context.req.url, { method, headers, signal });
    const handler = await handlerOf(agent);
    if (method !== "POST") return handler.fetch(request);
    return handler.fetch(request, { parsedBody: await readJson(context) });
  };
  app.all("/mcp", serve);
  app.all("/mcp/:agent", serve);
}
