import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { text as bodyText } from "node:stream/consumers";
import type { Json } from "../kernel/index.ts";
import type { ScriptedAnswer, ScriptedReply } from "./scripted-answer.ts";
import { wholeOf } from "./scripted-whole.ts";
import { errorBody, errorFrame, framesOf, type Wire, wireOfPath } from "./scripted-wires.ts";

/** A request as the server got it. */
export type ScriptedRequest = {
  readonly wire: Wire;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Json;
};

/** What to answer: a fixed answer, or one made from the request. */
export type ScriptedTurn = ScriptedAnswer | ((request: ScriptedRequest) => ScriptedAnswer);

/** A real HTTP server on the loopback that answers as a model provider would, from a script. */
export interface ScriptedProvider {
  /** The base address to configure, `http://127.0.0.1:PORT/v1`. */
  readonly url: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly ScriptedRequest[];
  /** Answers not yet given. */
  readonly left: number;
  /** Appends to the script: one answer for each request, in order. */
  script(...turns: ScriptedTurn[]): void;
  /** What to answer when the script is used up; without it such a request is refused with status 400. */
  otherwise(turn: ScriptedTurn): void;
  /** Resolves when the request with this number (from 1) has arrived. */
  arrived(count: number): Promise<void>;
  /** Drops all connections and stops. */
  close(): Promise<void>;
}

/**
 * Starts a scripted provider. It speaks OpenAI's chat completions (streaming and not) and responses,
 * Anthropic's messages and Google's generateContent; the path decides. Replies are split into small chunks,
 * tool arguments inside words, and usage comes last, as real ones do. Nothing in it is random or timed.
 */
export async function scriptedProvider(...turns: ScriptedTurn[]): Promise<ScriptedProvider> {
  const queue: ScriptedTurn[] = [...turns];
  const requests: ScriptedRequest[] = [];
  const waiting: { readonly count: number; readonly wake: () => void }[] = [];
  let fallback: ScriptedTurn | null = null;
  const onRequest = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = await requestOf(incoming);
    if (request === null) {
      response
        .writeHead(404, { "content-type": "application/json" })
        .end('{"error":{"message":"no such path"}}');
      return;
    }
    requests.push(request);
    for (const each of waiting) if (requests.length >= each.count) each.wake();
    const turn = queue.shift() ?? fallback ?? usedUp(requests.length);
    await answer(typeof turn === "function" ? turn(request) : turn, request, requests.length, response);
  };
  const server = createServer((incoming, response) => {
    onRequest(incoming, response).catch(() => incoming.socket.destroy());
  });
  return {
    url: await listen(server),
    requests,
    get left() {
      return queue.length;
    },
    script: (...more) => {
      queue.push(...more);
    },
    otherwise: (turn) => {
      fallback = turn;
    },
    arrived: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve();
        else waiting.push({ count, wake: resolve });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function requestOf(incoming: IncomingMessage): Promise<ScriptedRequest | null> {
  const path = incoming.url ?? "/";
  const wire = wireOfPath(path.split("?")[0] ?? "");
  const body = await bodyText(incoming);
  if (wire === null) return null;
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
  return { wire, path, headers, body: body === "" ? null : (JSON.parse(body) as Json) };
}

function usedUp(count: number): ScriptedAnswer {
  const message = `the script has no answer for request ${count}`;
  return { kind: "status", status: 400, headers: {}, message, code: "script_used_up" };
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      resolve(`http://127.0.0.1:${port}/v1`);
    });
  });
}

async function answer(
  said: ScriptedAnswer,
  request: ScriptedRequest,
  count: number,
  response: ServerResponse,
): Promise<void> {
  const { wire } = request;
  if (said.kind === "status") {
    response.writeHead(said.status, { "content-type": "application/json", ...said.headers });
    response.end(JSON.stringify(errorBody(wire, said.status, said.message, said.code)));
  } else if (said.kind === "not-json") {
    response.writeHead(200, { "content-type": "text/html" }).end("<html><body>please log in</body></html>");
  } else if (said.kind === "broken-stream") {
    response.writeHead(200, STREAM).end("data: {not json\n\ndata: [DONE]\n\n");
  } else if (said.kind === "reply") {
    if (streams(request)) {
      await send(response, frames(said, request, count));
      response.end();
    } else {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(wholeOf(request.wire, said, modelOf(request), `reply-${count}`)));
    }
  } else if (said.kind === "error-event") {
    const before = frames(said.reply, request, count).slice(0, said.afterChunks);
    await send(response, [...before, errorFrame(wire, said.message, said.type)]);
    response.end();
  } else {
    if (said.afterChunks > 0) {
      await send(response, frames(said.reply, request, count).slice(0, said.afterChunks));
    }
    if (said.kind === "cut") response.socket?.destroy();
  }
}

const STREAM = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };

async function send(response: ServerResponse, chunks: readonly string[]): Promise<void> {
  response.writeHead(200, STREAM);
  for (const chunk of chunks) {
    await new Promise<void>((resolve, reject) => {
      response.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }
}

function frames(reply: ScriptedReply, request: ScriptedRequest, count: number): string[] {
  return framesOf(request.wire, reply, modelOf(request), `reply-${count}`);
}

function modelOf(request: ScriptedRequest): string {
  const { body } = request;
  const stated = typeof body === "object" && body !== null && "model" in body ? body.model : undefined;
  return typeof stated === "string" ? stated : (/\/models\/([^/:?]+)/.exec(request.path)?.[1] ?? "scripted");
}

function streams(request: ScriptedRequest): boolean {
  const { body } = request;
  if (request.wire === "google") return request.path.includes(":streamGenerateContent");
  return typeof body === "object" && body !== null && "stream" in body && body.stream === true;
}
