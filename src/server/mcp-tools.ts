import type { ListToolsResult } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Agent, Tool, Toolbox } from "../agents/index.ts";
import type { Json, JsonObject } from "../kernel/index.ts";
import { WAYS } from "./mcp-words.ts";

/** A tool as a client is told of it. */
type McpTool = ListToolsResult["tools"][number];
/** The tools that every agent has besides its own: the way of a change set. */
export type WayName = keyof typeof WAYS;

/** How a client's tool name leads to a tool of the agent. */
export type Route = {
  readonly tool: Tool;
  /** Its arguments go into `input`: they are no object, or have an `attempt` of their own. */
  readonly wrapped: boolean;
};

/** Everything a client may call: as listed, and the agent's tools by the names they are listed under. */
export type Menu = { readonly listed: readonly McpTool[]; readonly routes: ReadonlyMap<string, Route> };

const ATTEMPT = { type: "string", description: "What begin returned, exactly as it is." } as const;
/** Where a recursive schema stands among the definitions when it is put beneath another. */
const ITSELF = "_itself_";
const CLOSED_WORLD = { openWorldHint: false } as const;

/** Makes the menu of an agent. A tool of its own that is named like one of ours gets `_tool` behind it. */
export function menuOf(agent: Agent, toolbox: Toolbox): Menu {
  const routes = new Map<string, Route>();
  for (const tool of toolbox.values()) {
    const name = Object.hasOwn(WAYS, tool.name) ? `${tool.name}_tool` : tool.name;
    routes.set(name, { tool, wrapped: mustWrap(tool.inputSchema) });
  }
  const own = [...routes].map(([name, route]) => listing(name, route));
  return { listed: [...ways(agent), ...own], routes };
}

/** A call's arguments as the agent's tool takes them. */
export function unwrap(route: Route, given: JsonObject): Json {
  if (route.wrapped) return given["input"] ?? null;
  const { attempt: _attempt, ...input } = given;
  return input;
}

function listing(name: string, { tool, wrapped }: Route): McpTool {
  const schema = tool.inputSchema as JsonObject;
  const { top, inner } = beneath(schema);
  const properties = wrapped ? { input: inner } : ((schema["properties"] ?? {}) as JsonObject);
  const required = wrapped ? ["input"] : ((schema["required"] ?? []) as readonly string[]);
  const inputSchema = {
    ...(wrapped ? { ...top, type: "object" } : schema),
    properties: { attempt: ATTEMPT, ...properties },
    required: ["attempt", ...required],
  };
  // What a tool writes is only staged: commit is what makes it real.
  const annotations =
    tool.effect === "read"
      ? { readOnlyHint: true, ...CLOSED_WORLD }
      : { readOnlyHint: false, destructiveHint: false, idempotentHint: false, ...CLOSED_WORLD };
  const { description } = tool;
  return { name, description, inputSchema: inputSchema as unknown as McpTool["inputSchema"], annotations };
}

function mustWrap(schema: Json): boolean {
  const { type, properties } = (schema ?? {}) as { type?: Json; properties?: JsonObject };
  if (type !== "object" || (properties !== undefined && "attempt" in properties)) return true;
  // What refers to itself as a whole would ask for an `attempt` at every level.
  return refersToItself(schema);
}

const refersToItself = (schema: Json): boolean => JSON.stringify(schema).includes('"$ref":"#"');

/**
 * A schema to be put beneath another: what is referred to by its place from the top stays at the top, the
 * schema itself too where it is recursive.
 */
function beneath(schema: JsonObject): { readonly top: JsonObject; readonly inner: JsonObject } {
  const { $schema, $defs, ...inner } = schema;
  const dialect = $schema === undefined ? {} : { $schema };
  if (!refersToItself(schema)) {
    return { top: { ...dialect, ...($defs !== undefined && { $defs }) }, inner };
  }
  const moved = { ...($defs as JsonObject | undefined), [ITSELF]: inner };
  const text = JSON.stringify(moved).replaceAll('"$ref":"#"', `"$ref":"#/$defs/${ITSELF}"`);
  return {
    top: { ...dialect, $defs: JSON.parse(text) as JsonObject },
    inner: { $ref: `#/$defs/${ITSELF}` },
  };
}

function ways(agent: Agent): readonly McpTool[] {
  const work = z.toJSONSchema(agent.input, { io: "input", unrepresentable: "any" });
  const { top, inner } = beneath(work as JsonObject);
  const staged = { readOnlyHint: false, destructiveHint: false, ...CLOSED_WORLD };
  return [
    way(
      "begin",
      { ...staged, idempotentHint: false },
      {
        ...top,
        properties: {
          work: { description: "What is to be done.", ...inner },
          key: { type: "string", maxLength: 200, description: "Unique to this work, such as a message id." },
          again: { type: "string", description: "An earlier attempt, instead of work." },
        },
      },
    ),
    way(
      "status",
      { readOnlyHint: true, ...CLOSED_WORLD },
      { required: ["attempt"], properties: { attempt: ATTEMPT } },
    ),
    way(
      "diff",
      { readOnlyHint: true, ...CLOSED_WORLD },
      { required: ["attempt"], properties: { attempt: ATTEMPT } },
    ),
    way(
      "commit",
      { readOnlyHint: false, destructiveHint: true, idempotentHint: true, ...CLOSED_WORLD },
      {
        required: ["attempt"],
        properties: {
          attempt: ATTEMPT,
          unsure: {
            type: "array",
            items: { type: "string" },
            description: "What you are not sure of, and why.",
          },
          ask: { type: "boolean", description: "Have a person decide, also where a check says no." },
        },
      },
    ),
    way(
      "discard",
      { ...staged, idempotentHint: true },
      {
        required: ["attempt"],
        properties: { attempt: ATTEMPT, because: { type: "string", description: "Why, for the timeline." } },
      },
    ),
  ];
}

function way(
  name: WayName,
  annotations: McpTool["annotations"],
  schema: Readonly<Record<string, unknown>>,
): McpTool {
  const inputSchema = { type: "object", additionalProperties: false, ...schema } as McpTool["inputSchema"];
  return { name, description: WAYS[name], inputSchema, annotations };
}
