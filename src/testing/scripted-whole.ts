import type { ScriptedReply } from "./scripted-answer.ts";
import {
  ANTHROPIC_STOP,
  anthropicInput,
  CHAT_FINISH,
  chatToolCall,
  chatUsage,
  googleWhole,
  NO_USAGE,
  parsedOr,
  responsesUsage,
  type Wire,
} from "./scripted-wires.ts";

/** The body of a reply that was not asked to stream. */
export function wholeOf(wire: Wire, reply: ScriptedReply, model: string, id: string): object {
  if (wire === "openai-embeddings") return embeddings(reply, model);
  if (wire === "anthropic-count") return { input_tokens: (reply.usage ?? NO_USAGE).input };
  if (wire === "anthropic") return message(reply, model, id);
  if (wire === "google") return googleWhole(reply, model, id);
  return wire === "openai-responses" ? response(reply, model, id) : completion(reply, model, id);
}

function completion(reply: ScriptedReply, model: string, id: string): object {
  const said = {
    role: "assistant",
    content: reply.text === "" ? null : reply.text,
    ...(reply.thinking === null ? {} : { reasoning_content: reply.thinking.text }),
    ...(reply.toolCalls.length === 0 ? {} : { tool_calls: reply.toolCalls.map(chatToolCall) }),
  };
  return {
    ...{ id, object: "chat.completion", created: 0, model },
    choices: [{ index: 0, message: said, finish_reason: CHAT_FINISH[reply.finish] }],
    ...(reply.usage === null ? {} : { usage: chatUsage(reply.usage) }),
  };
}

function response(reply: ScriptedReply, model: string, id: string): object {
  const cutShort = reply.finish === "length" || reply.finish === "refused";
  const reason = reply.finish === "length" ? "max_output_tokens" : "content_filter";
  const content = [{ type: "output_text", text: reply.text, annotations: [] }];
  const said = { type: "message", id: "msg_1", role: "assistant", status: "completed", content };
  const tools = reply.toolCalls.map((call, index) => ({
    ...{ type: "function_call", id: `fc_${index + 1}`, call_id: call.id, name: call.name },
    ...{ arguments: call.arguments, status: "completed" },
  }));
  return {
    ...{ id, object: "response", created_at: 0, model, error: null },
    status: cutShort ? "incomplete" : "completed",
    incomplete_details: cutShort ? { reason } : null,
    output: [...thoughtItems(reply), ...(reply.text === "" ? [] : [said]), ...tools],
    usage: reply.usage === null ? null : responsesUsage(reply.usage),
  };
}

function thoughtItems({ thinking }: ScriptedReply): object[] {
  if (thinking === null) return [];
  const summary = [{ type: "summary_text", text: thinking.text }];
  return [{ type: "reasoning", id: "rs_1", summary, encrypted_content: thinking.signature }];
}

function message(reply: ScriptedReply, model: string, id: string): object {
  const usage = reply.usage ?? NO_USAGE;
  return {
    ...{ id, type: "message", role: "assistant", model },
    content: [
      ...(reply.thinking === null
        ? []
        : [{ type: "thinking", thinking: reply.thinking.text, signature: reply.thinking.signature }]),
      ...(reply.text === "" ? [] : [{ type: "text", text: reply.text }]),
      ...reply.toolCalls.map((call) => ({
        ...{ type: "tool_use", id: call.id, name: call.name, input: parsedOr(call.arguments) },
      })),
    ],
    ...{ stop_reason: ANTHROPIC_STOP[reply.finish], stop_sequence: null },
    usage: { ...anthropicInput(usage), output_tokens: usage.output },
  };
}

/** The text of the reply is the vector, as JSON. */
function embeddings(reply: ScriptedReply, model: string): object {
  const input = (reply.usage ?? NO_USAGE).input;
  return {
    ...{ object: "list", model, usage: { prompt_tokens: input, total_tokens: input } },
    data: [{ object: "embedding", index: 0, embedding: parsedOr(reply.text) }],
  };
}
