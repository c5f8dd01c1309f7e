/** A call in its model's own protocol passes byte for byte, but for what must change. */
import fc from "fast-check";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
let server: Server;
let got: Buffer = Buffer.alloc(0);
let answer: { readonly type: string; readonly pieces: readonly Buffer[] } = { type: "", pieces: [] };
beforeAll(async () => {
  server = createServer((request, response) => {
    void buffer(request).then(async (body) => {
      got = body;
      response.writeHead(200, { "content-type": answer.type, "x-request-id": "req_1" });
      for (const piece of answer.pieces) {
        await new Promise<void>((resolve) => response.write(piece, () => resolve()));
      }
      return response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  at = await opened(undefined, `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
});
afterAll(async () => {
  await at.close();
  server.closeAllConnections();
  server.close();
});

async function send(
  path: string,
  body: string,
): Promise<{ readonly status: number; readonly bytes: Buffer }> {
  const reply = await fetch(`${at.gateway.url}/v1/${path}`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${at.secret}` }, body },
  });
  return { status: reply.status, bytes: Buffer.from(await reply.arrayBuffer()) };
}

/** Things that clients ask for, and things that nobody has thought of yet. */
const KNOWN = {
  ...{ logprobs: true, top_logprobs: 2, seed: 7, stop: ["END"], n: 1, parallel_tool_calls: true },
  modalities: ["text", "audio"],
  audio: { voice: "alloy", format: "wav" },
  tools: [{ type: "function", function: { name: "usage", parameters: { type: "object" } } }],
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: 'said "model": "other" \ud83d\ude00 \\' },
        { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
        { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
        { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } },
      ],
    },
  ],
};
const space = fc.constantFrom("", " ", "\n  ", "\t");
const strange = fc.dictionary(
  fc.string({ minLength: 1 }).map((name) => `future_${name}`),
  fc.jsonValue(),
  { maxKeys: 4 },
);

/** An object as text, with space wherever JSON may have it. */
function written(fields: Readonly<Record<string, unknown>>, gap: string): string {
  const lines = Object.entries(fields).map(
    ([name, value]) => `${gap}${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(value)}`,
  );
  return `{${lines.join(",")}${gap}}`;
}

test("requests, whatever is in them, with only the model's name changed", async () => {
  answer = { type: "application/json", pieces: [Buffer.from("{}")] };
  const surfaces = { "chat/completions": "openai/small", messages: "anthropic/claude-small" } as const;
  const asked = fc.record({
    path: fc.constantFrom(...(Object.keys(surfaces) as (keyof typeof surfaces)[])),
    known: fc.subarray(Object.entries(KNOWN)),
    ...{ more: strange, gap: space, first: fc.boolean() },
  });
  await fc.assert(
    fc.asyncProperty(asked, async ({ path, known, more, gap, first }) => {
      const named = (model: string): string => {
        const rest = { ...Object.fromEntries(known), ...more };
        return written(first ? { model, ...rest } : { ...rest, model }, gap);
      };
      const { status } = await send(path, named(surfaces[path]));
      expect(status).toBe(200);
      const [, model = ""] = surfaces[path].split("/");
      expect(got.toString("utf8")).toBe(named(model));
    }),
    { numRuns: 60 },
  );
});

test("answers, in whatever pieces they come, and streams to whoever asked for usage", async () => {
  const text = fc.string({ unit: "binary" });
  const coming = fc.record({
    said: fc.array(text, { maxLength: 5 }),
    cuts: fc.array(fc.nat(400)),
    sse: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(coming, async ({ said, cuts, sse }) => {
      const events = said.map(
        (content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`,
      );
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
      const last = `data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`;
      const whole = Buffer.from(sse ? events.join("") + last : JSON.stringify({ said, usage }, null, 1));
      const places = [...new Set(cuts.filter((cut) => cut < whole.length))].toSorted((a, b) => a - b);
      const pieces = [0, ...places].map((from, index) => whole.subarray(from, places[index] ?? whole.length));
      answer = { type: sse ? "text/event-stream" : "application/json", pieces };
      const asking = { model: "openai/small", messages: [], stream: sse };
      const { bytes } = await send(
        "chat/completions",
        JSON.stringify({ ...asking, ...(sse && { stream_options: { include_usage: true } }) }),
      );
      expect(bytes.equals(whole)).toBe(true);
    }),
    { numRuns: 60 },
  );
});
