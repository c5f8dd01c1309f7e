import {
  calling,
  type Feature,
  message,
  option,
  part,
  png,
  said,
  schema,
  text,
  toolOption,
} from "./feature-words.test.kit.ts";

const chatCall = { id: "c1", type: "function", function: { name: "look", arguments: '{"city":"Bern"}' } };
const calls = said(
  [
    { role: "user", content: text },
    { role: "assistant", content: "I look.", tool_calls: [chatCall, { ...chatCall, id: "c2" }] },
    { role: "tool", tool_call_id: "c1", content: "rain" },
    { role: "tool", tool_call_id: "c2", content: "sun" },
  ],
  [
    message("user", text),
    message("assistant", "I look."),
    { type: "function_call", call_id: "c1", name: "look", arguments: '{"city":"Bern"}' },
    { type: "function_call", call_id: "c2", name: "look", arguments: '{"city":"Bern"}' },
    { type: "function_call_output", call_id: "c1", output: "rain" },
    { type: "function_call_output", call_id: "c2", output: "sun" },
  ],
  [
    { role: "user", content: text },
    {
      role: "assistant",
      content: [
        { type: "text", text: "I look." },
        { type: "tool_use", id: "c1", name: "look", input: { city: "Bern" } },
        { type: "tool_use", id: "c2", name: "look", input: { city: "Bern" } },
      ],
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "c1", content: "rain" },
        { type: "tool_result", tool_use_id: "c2", content: "sun" },
      ],
    },
  ],
  [
    { role: "user", parts: [{ text }] },
    {
      role: "model",
      parts: [
        { text: "I look." },
        { functionCall: { id: "c1", name: "look", args: { city: "Bern" } } },
        { functionCall: { id: "c2", name: "look", args: { city: "Bern" } } },
      ],
    },
    {
      role: "user",
      parts: [
        { functionResponse: { id: "c1", name: "look", response: { output: "rain" } } },
        { functionResponse: { id: "c2", name: "look", response: { output: "sun" } } },
      ],
    },
  ],
);

const NONE = [null, null, null, null] as const;

/** What there is to ask for. */
export const features: readonly Feature[] = [
  {
    name: "instructions",
    "openai-chat": {
      messages: [
        { role: "system", content: "be kind" },
        { role: "user", content: text },
      ],
    },
    "openai-responses": { input: [message("system", "be kind"), message("user", text)] },
    "anthropic-messages": { system: "be kind" },
    "google-generate": { systemInstruction: { parts: [{ text: "be kind" }] } },
  },
  {
    name: "instructions in the middle",
    ...part(...NONE),
    "openai-chat": {
      messages: [
        { role: "user", content: text },
        { role: "system", content: "be kind" },
      ],
    },
    "openai-responses": { input: [message("user", text), message("system", "be kind")] },
  },
  {
    name: "images, contained",
    ...part(
      { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } },
      { type: "input_image", image_url: `data:image/png;base64,${png}`, detail: "auto" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: png } },
      { inlineData: { mimeType: "image/png", data: png } },
    ),
  },
  {
    name: "images, by address",
    ...part(
      { type: "image_url", image_url: { url: "https://example.com/a.png" } },
      { type: "input_image", image_url: "https://example.com/a.png", detail: "auto" },
      { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
      { fileData: { mimeType: "image/png", fileUri: "https://example.com/a.png" } },
    ),
  },
  {
    name: "detail of an image",
    ...part(
      { type: "image_url", image_url: { url: `data:image/png;base64,${png}`, detail: "low" } },
      { type: "input_image", image_url: `data:image/png;base64,${png}`, detail: "low" },
      null,
      null,
    ),
  },
  {
    name: "files, contained",
    ...part(
      { type: "file", file: { filename: "file", file_data: `data:application/pdf;base64,${png}` } },
      { type: "input_file", filename: "file", file_data: `data:application/pdf;base64,${png}` },
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: png } },
      { inlineData: { mimeType: "application/pdf", data: png } },
    ),
  },
  {
    name: "files, by address",
    ...part(
      null,
      { type: "input_file", file_url: "https://example.com/a.pdf" },
      { type: "document", source: { type: "url", url: "https://example.com/a.pdf" } },
      { fileData: { mimeType: "application/pdf", fileUri: "https://example.com/a.pdf" } },
    ),
  },
  {
    name: "files kept at the provider",
    ...part(
      { type: "file", file: { file_id: "file_1" } },
      { type: "input_file", file_id: "file_1" },
      { type: "document", source: { type: "file", file_id: "file_1" } },
      null,
    ),
  },
  {
    name: "audio",
    ...part(
      { type: "input_audio", input_audio: { data: png, format: "wav" } },
      { type: "input_audio", input_audio: { data: png, format: "wav" } },
      null,
      { inlineData: { mimeType: "audio/wav", data: png } },
    ),
  },
  { name: "tools", ...toolOption({}, {}, {}, {}) },
  {
    name: "strict tools",
    "openai-chat": {
      tools: [{ type: "function", function: { name: "look", parameters: schema, strict: true } }],
    },
    "openai-responses": { tools: [{ type: "function", name: "look", parameters: schema, strict: true }] },
    "anthropic-messages": { tools: [{ name: "look", input_schema: schema, strict: true }] },
    "google-generate": null,
  },
  {
    name: "tool choice: any tool",
    ...toolOption(
      { tool_choice: "required" },
      { tool_choice: "required" },
      { tool_choice: { type: "any" } },
      calling("ANY"),
    ),
  },
  {
    name: "tool choice: none",
    ...toolOption(
      { tool_choice: "none" },
      { tool_choice: "none" },
      { tool_choice: { type: "none" } },
      calling("NONE"),
    ),
  },
  {
    name: "tool choice: by name",
    ...toolOption(
      { tool_choice: { type: "function", function: { name: "look" } } },
      { tool_choice: { type: "function", name: "look" } },
      { tool_choice: { type: "tool", name: "look" } },
      calling("ANY", ["look"]),
    ),
  },
  {
    name: "one call at a time",
    ...toolOption(
      { tool_choice: "auto", parallel_tool_calls: false },
      { tool_choice: "auto", parallel_tool_calls: false },
      { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
      null,
    ),
  },
  { name: "parallel calls and their answers", ...calls },
  {
    name: "an answer that is a failure",
    ...said([], [], [], []),
    "openai-chat": null,
    "openai-responses": null,
    "anthropic-messages": {
      messages: [
        { role: "assistant", content: [{ type: "tool_use", id: "c1", name: "look", input: {} }] },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "c1", content: "no", is_error: true }],
        },
      ],
    },
    "google-generate": {
      contents: [
        { role: "model", parts: [{ functionCall: { id: "c1", name: "look", args: {} } }] },
        {
          role: "user",
          parts: [{ functionResponse: { id: "c1", name: "look", response: { error: "no" } } }],
        },
      ],
    },
  },
  {
    name: "tools of the provider",
    "openai-chat": { web_search_options: {} },
    "openai-responses": { tools: [{ type: "web_search" }] },
    "anthropic-messages": { tools: [{ type: "web_search_20250305", name: "web_search" }] },
    "google-generate": { tools: [{ googleSearch: {} }] },
  },
  {
    name: "answers by a schema",
    ...option(
      { response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } },
      { text: { format: { type: "json_schema", name: "answer", schema, strict: true } } },
      { output_config: { format: { type: "json_schema", schema } } },
      { responseMimeType: "application/json", responseJsonSchema: schema },
    ),
  },
  {
    name: "answers in any JSON",
    ...option(
      { response_format: { type: "json_object" } },
      { text: { format: { type: "json_object" } } },
      null,
      { responseMimeType: "application/json" },
    ),
  },
  {
    name: "temperature",
    ...option({ temperature: 0.5 }, { temperature: 0.5 }, { temperature: 0.5 }, { temperature: 0.5 }),
  },
  { name: "top p", ...option({ top_p: 0.9 }, { top_p: 0.9 }, { top_p: 0.9 }, { topP: 0.9 }) },
  { name: "top k", ...option(null, null, { top_k: 40 }, { topK: 40 }) },
  {
    name: "stop sequences",
    ...option({ stop: ["END"] }, null, { stop_sequences: ["END"] }, { stopSequences: ["END"] }),
  },
  { name: "seed", ...option({ seed: 7 }, null, null, { seed: 7 }) },
  {
    name: "penalties",
    ...option({ frequency_penalty: 0.5, presence_penalty: 0.5 }, null, null, {
      frequencyPenalty: 0.5,
      presencePenalty: 0.5,
    }),
  },
  {
    name: "logprobs",
    ...option(
      { logprobs: true, top_logprobs: 2 },
      { top_logprobs: 2, include: ["message.output_text.logprobs"] },
      null,
      { responseLogprobs: true, logprobs: 2 },
    ),
  },
  {
    name: "several answers",
    ...option({ n: 2 }, null, null, { candidateCount: 2 }),
  },
  { name: "logit bias", ...option({ logit_bias: { "50256": -100 } }, null, null, null) },
  {
    name: "how much to think, as an effort",
    ...option(
      { reasoning_effort: "high" },
      { reasoning: { effort: "high" } },
      { thinking: { type: "adaptive", display: "omitted" }, output_config: { effort: "high" } },
      { thinkingConfig: { thinkingLevel: "high" } },
    ),
  },
  {
    name: "how much to think, in tokens",
    ...option(
      null,
      null,
      { thinking: { type: "enabled", budget_tokens: 2_000, display: "omitted" } },
      {
        thinkingConfig: { thinkingBudget: 2_000 },
      },
    ),
  },
  {
    name: "no thinking",
    ...option(
      { reasoning_effort: "none" },
      { reasoning: { effort: "none" } },
      { thinking: { type: "disabled" } },
      { thinkingConfig: { thinkingBudget: 0 } },
    ),
  },
  {
    name: "thoughts to be shown",
    ...option(
      null,
      { reasoning: { effort: "high", summary: "auto" } },
      { thinking: { type: "adaptive" } },
      { thinkingConfig: { thinkingLevel: "high", includeThoughts: true } },
    ),
  },
  {
    name: "verbosity",
    ...option({ verbosity: "low" }, { text: { verbosity: "low" } }, null, null),
  },
  {
    name: "the user's name",
    ...option(
      { safety_identifier: "u1" },
      { safety_identifier: "u1" },
      { metadata: { user_id: "u1" } },
      null,
    ),
  },
  {
    name: "service tier",
    ...option({ service_tier: "flex" }, { service_tier: "flex" }, { service_tier: "standard_only" }, null),
  },
  {
    name: "key of the prompt's cache",
    ...option({ prompt_cache_key: "k" }, { prompt_cache_key: "k" }, null, null),
  },
  {
    name: "marks for the prompt's cache",
    ...part(null, null, { type: "text", text, cache_control: { type: "ephemeral" } }, null),
  },
];
