import type { Json, JsonObject } from "../kernel/index.ts";
import type { ToolLine } from "../server/index.ts";
import type { Calls } from "./read-calls.ts";

/** How deep a placeholder follows a schema that nests. */
const DEPTH_MAX = 6;

/** A call of every writing tool with placeholders, for a person to fill in and thin out. */
export function skeleton(tools: readonly ToolLine[]): Calls {
  return tools
    .filter((tool) => tool.effect === "write")
    .map((tool) => ({ tool: tool.name, input: placeholder(tool.inputSchema, 0) }));
}

/** A value of the schema's shape: required properties only, the first label of an enum, else empty. */
function placeholder(schema: Json | undefined, depth: number): Json {
  if (!isObject(schema) || depth > DEPTH_MAX) return null;
  if ("const" in schema) return schema["const"] ?? null;
  const choices = [schema["enum"], schema["anyOf"], schema["oneOf"]];
  const [labels, ...variants] = choices.map((one) => (Array.isArray(one) ? (one as readonly Json[]) : []));
  if (labels?.[0] !== undefined) return labels[0];
  const variant = variants.flat()[0];
  if (variant !== undefined) return placeholder(variant, depth + 1);
  const type = Array.isArray(schema["type"]) ? (schema["type"] as readonly Json[])[0] : schema["type"];
  if (type === "object") return required(schema, depth);
  if (type === "array") return [placeholder(schema["items"], depth + 1)];
  if (type === "integer" || type === "number") return 0;
  if (type === "boolean") return false;
  return type === "string" ? "" : null;
}

function required(schema: JsonObject, depth: number): JsonObject {
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const names = Array.isArray(schema["required"]) ? (schema["required"] as readonly Json[]) : [];
  return Object.fromEntries(
    Object.keys(properties)
      .filter((name) => names.includes(name))
      .map((name) => [name, placeholder(properties[name], depth + 1)]),
  );
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
