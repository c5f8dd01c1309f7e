import type {
  JSONValue,
  LanguageModelV4CallOptions,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  SharedV4ProviderOptions,
} from "@ai-sdk/provider";
import type { Json, JsonObject, ModelId } from "../kernel/index.ts";
import type { Echo, Message, ModelCall } from "./spec.ts";

type SchemaOfSdk = NonNullable<LanguageModelV4CallOptions["tools"]>[number] & { type: "function" };
type AssistantPart = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number];
type ToolPart = Extract<LanguageModelV4Message, { role: "tool" }>["content"][number];

/** A conversation in the SDK's form. Neighbouring tool results become one message, as providers want. */
export function promptOf(call: ModelCall): LanguageModelV4Prompt {
  const prompt: LanguageModelV4Prompt = [];
  for (const message of call.messages) {
    const last = prompt.at(-1);
    if (message.role === "tool" && last?.role === "tool") last.content.push(toolPart(message));
    else prompt.push(messageOfSdk(message, call.model));
  }
  return prompt;
}

/** The tools in the SDK's form. */
export function toolsOf(call: ModelCall): SchemaOfSdk[] {
  return call.tools.map((tool) => ({
    type: "function",
    name: tool.name,
    description: tool.description,
    inputSchema: tool.inputSchema as SchemaOfSdk["inputSchema"],
  }));
}

function messageOfSdk(message: Message, model: ModelId): LanguageModelV4Message {
  if (message.role === "system") return { role: "system", content: message.text };
  if (message.role === "user") return { role: "user", content: [{ type: "text", text: message.text }] };
  if (message.role === "assistant") return { role: "assistant", content: assistantParts(message, model) };
  return { role: "tool", content: [toolPart(message)] };
}

function assistantParts(message: Message & { role: "assistant" }, model: ModelId): AssistantPart[] {
  const own = message.by === model;
  const reasoning = own ? (message.reasoning ?? []) : [];
  return [
    ...reasoning.map((part): AssistantPart => ({ type: "reasoning", text: part.text, ...echoed(part.echo) })),
    ...(message.text === "" ? [] : [{ type: "text", text: message.text } as const]),
    ...(message.toolCalls ?? []).map((call): AssistantPart => ({
      type: "tool-call",
      toolCallId: call.id,
      toolName: call.name,
      // Malformed arguments were kept as text; providers insist on an object, so they go back wrapped.
      input: isObject(call.input) ? call.input : { malformed: call.input },
      ...(own ? echoed(call.echo) : {}),
    })),
  ];
}

function toolPart(message: Message & { role: "tool" }): ToolPart {
  const value = message.output as JSONValue;
  return {
    type: "tool-result",
    toolCallId: message.toolCallId,
    toolName: message.name,
    output:
      typeof message.output === "string"
        ? { type: message.isError === true ? "error-text" : "text", value: message.output }
        : { type: message.isError === true ? "error-json" : "json", value },
  };
}

function echoed(echo: Echo | undefined): { providerOptions?: SharedV4ProviderOptions } {
  return echo === undefined ? {} : { providerOptions: echo as SharedV4ProviderOptions };
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
