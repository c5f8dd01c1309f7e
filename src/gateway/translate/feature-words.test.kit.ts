import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Spoken } from "./dialects.ts";

/** Something that a client may ask for, as each protocol says it; null where one has no words for it. */
export type Feature = { readonly name: string } & Readonly<Record<Spoken, JsonObject | null>>;

export const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const png = "iVBORw0KGgo=";
export const text = "hello";

/** The shortest request of each protocol. */
export const plain: Readonly<Record<Spoken, JsonObject>> = {
  "openai-chat": { model: "m", max_completion_tokens: 4_000, messages: [{ role: "user", content: text }] },
  "openai-responses": { model: "m", max_output_tokens: 4_000, input: [message("user", text)] },
  "anthropic-messages": { model: "m", max_tokens: 4_000, messages: [{ role: "user", content: text }] },
  "google-generate": {
    contents: [{ role: "user", parts: [{ text }] }],
    generationConfig: { maxOutputTokens: 4_000 },
  },
};

export function message(role: string, content: Json): JsonObject {
  return { type: "message", role, content };
}

export function said(
  chat: Json[],
  responses: Json[],
  anthropic: Json[],
  google: Json[],
): Omit<Feature, "name"> {
  return {
    "openai-chat": { messages: chat },
    "openai-responses": { input: responses },
    "anthropic-messages": { messages: anthropic },
    "google-generate": { contents: google },
  };
}

/** A part of what the user says; null where a protocol has none. */
export function part(
  chat: JsonObject | null,
  responses: JsonObject | null,
  anthropic: JsonObject | null,
  google: JsonObject | null,
): Omit<Feature, "name"> {
  return {
    "openai-chat": chat && { messages: [{ role: "user", content: [chat] }] },
    "openai-responses": responses && { input: [message("user", [responses])] },
    "anthropic-messages": anthropic && { messages: [{ role: "user", content: [anthropic] }] },
    "google-generate": google && { contents: [{ role: "user", parts: [google] }] },
  };
}

/** An option; null where a protocol has none. */
export function option(
  chat: JsonObject | null,
  responses: JsonObject | null,
  anthropic: JsonObject | null,
  google: JsonObject | null,
): Omit<Feature, "name"> {
  const config = google === null ? null : { generationConfig: { maxOutputTokens: 4_000, ...google } };
  return {
    ...{ "openai-chat": chat, "openai-responses": responses, "anthropic-messages": anthropic },
    "google-generate": config,
  };
}

const tools = {
  chat: [{ type: "function", function: { name: "look", description: "looks", parameters: schema } }],
  responses: [{ type: "function", name: "look", description: "looks", parameters: schema, strict: false }],
  anthropic: [{ name: "look", description: "looks", input_schema: schema }],
  google: [{ functionDeclarations: [{ name: "look", description: "looks", parametersJsonSchema: schema }] }],
};

export function toolOption(
  chat: JsonObject | null,
  responses: JsonObject | null,
  anthropic: JsonObject | null,
  google: JsonObject | null,
): Omit<Feature, "name"> {
  return {
    "openai-chat": chat && { tools: tools.chat, ...chat },
    "openai-responses": responses && { tools: tools.responses, ...responses },
    "anthropic-messages": anthropic && { tools: tools.anthropic, ...anthropic },
    "google-generate": google && { tools: tools.google, ...google },
  };
}

export function calling(mode: string, names?: readonly string[]): JsonObject {
  const named = names === undefined ? {} : { allowedFunctionNames: names };
  return { toolConfig: { functionCallingConfig: { mode, ...named } } };
}
