import type { Message } from "../models/index.ts";
import type { ToolCall } from "../policy/index.ts";
import { FINISH_TOOL, GIVE_UP_TOOL } from "./prompt.ts";

/** The calls of a conversation with a model that were carried out, reading ones too, in order. */
export function callsIn(messages: readonly Message[]): readonly ToolCall[] {
  const asked = new Map<string, ToolCall["input"]>();
  const made: ToolCall[] = [];
  for (const message of messages) {
    if (message.role === "assistant") {
      for (const call of message.toolCalls ?? []) asked.set(call.id, call.input);
    }
    if (message.role !== "tool" || message.isError === true) continue;
    if (message.name === FINISH_TOOL || message.name === GIVE_UP_TOOL) continue;
    made.push({
      tool: message.name,
      input: asked.get(message.toolCallId) ?? null,
      output: message.output,
    });
  }
  return made;
}
