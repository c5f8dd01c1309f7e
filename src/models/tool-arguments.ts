import { type Json, type JsonObject, messageOf } from "../kernel/index.ts";
import { cleanJson, cleanText } from "./clean-text.ts";
import type { Echo, ToolCall } from "./spec.ts";

/** A tool call before its arguments were read. */
export type RawToolCall = {
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly echo?: Echo;
};

/** Reads the arguments of a tool call. No text at all means no arguments, which some models send. */
export function readToolCall(raw: RawToolCall): ToolCall {
  const base = {
    id: cleanText(raw.id),
    name: cleanText(raw.name),
    ...(raw.echo === undefined ? {} : { echo: raw.echo }),
  };
  const malformed = (because: string): ToolCall => ({
    ...base,
    kind: "malformed",
    raw: cleanText(raw.text),
    because,
  });
  if (raw.text.trim() === "") return { ...base, kind: "ok", input: {} };
  try {
    const input = cleanJson(JSON.parse(raw.text) as Json);
    if (!isObject(input)) return malformed("the arguments are JSON but not an object");
    return { ...base, kind: "ok", input };
  } catch (error) {
    return malformed(`the arguments are not JSON: ${cleanText(messageOf(error))}`);
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
