/**
 * A provider stand-in: speaks OpenAI's chat wire over real HTTP and answers each request with the turn that
 * was recorded at that point. It holds no state: which conversation it is and how far it is stands in the
 * request, so that a request made again is answered the same.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text as bodyText } from "node:stream/consumers";
import { z } from "zod";
import type { Recording } from "./businesses-data.ts";

/** What a refusal by a guard begins with. */
const REFUSED = "refused by ";

const Asked = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
});
type Asked = z.infer<typeof Asked>;

/** A running stand-in. */
export type StandIn = {
  readonly url: string;
  /** Requests answered so far. */
  readonly answered: () => number;
  close(): Promise<void>;
};

type Turn = { readonly text: string; readonly calls: readonly (readonly [string, unknown])[] };

/** Starts a stand-in for the models of these recordings. */
export async function standIn(recordings: readonly Recording[]): Promise<StandIn> {
  const turns = new Map(recordings.map((one) => [one.id, agentTurns(one)]));
  let answered = 0;
  const server = createServer((request, response) => {
    void (async () => {
      const asked = Asked.parse(JSON.parse(await bodyText(request satisfies IncomingMessage)));
      answered += 1;
      const { at, turn } = nextTurn(turns, asked);
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
      response.end(events(asked.model, at, turn).join(""));
    })().catch((error: unknown) => {
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: String(error), type: "stand-in" } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    answered: () => answered,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What the agent said and called, turn by turn. */
function agentTurns(recording: Recording): readonly Turn[] {
  return recording.messages
    .filter((message) => message.c !== undefined || typeof message.a === "string")
    .map((message) => ({ text: message.a ?? "", calls: message.c ?? [] }));
}

function nextTurn(
  turns: ReadonlyMap<string, readonly Turn[]>,
  { messages }: Asked,
): { readonly at: number; readonly turn: Turn } {
  const work = messages.map((message) => /^Work: conversation (\S+)$/m.exec(String(message.content))?.[1]);
  const known = turns.get(work.find((id) => id !== undefined) ?? "");
  if (known === undefined) throw new Error("the request names no recorded conversation");
  const at = messages.filter((message) => message.role === "assistant").length;
  // A recording knows nothing of what would have come after a refusal.
  const refused = messages.find(
    (message) => message.role === "tool" && String(message.content).startsWith(REFUSED),
  );
  if (refused !== undefined) return { at, turn: call("give_up", { because: String(refused.content) }) };
  return { at, turn: known[at] ?? call("finish", { unsure: [] }) };
}

function call(name: string, input: object): Turn {
  return { text: "", calls: [[name, input]] };
}

/** Usage is the measured rate of characters a token; what a conversation cost is worked out elsewhere. */
function events(model: string, at: number, { text, calls }: Turn): string[] {
  const base = { id: `recorded-${at}`, object: "chat.completion.chunk", created: 0, model };
  const chunk = (delta: object, finish: string | null = null): object => ({
    ...base,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const tools = calls.map(([name, input], index) => ({
    ...{ index, id: `call_${at}_${index}`, type: "function" },
    function: { name, arguments: JSON.stringify(input) },
  }));
  const delta = {
    ...{ role: "assistant", content: text },
    ...(tools.length === 0 ? {} : { tool_calls: tools }),
  };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  const all = [
    chunk(delta),
    chunk({}, tools.length > 0 ? "tool_calls" : "stop"),
    { ...base, choices: [], usage },
  ];
  return [...all.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"];
}
