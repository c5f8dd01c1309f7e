/**
 * The provider of `bench:fire`, a process of its own: counts what reaches it, by the user agent that the
 * gateway passes on, and answers as its parent says. Sends its address first.
 *
 * Answers are held back until `expect` requests are here, or no more have come for a while: so many are then
 * under way at once, which `atOnceMax` tells.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { CHUNKS, type FromProvider, type ToProvider, USAGE } from "./fire-words.ts";
import { seeded } from "./seeded.ts";

const QUIET_MS = 3_000;
const KEEPALIVE_MS = 90_000;
const TICK_MS = 100;
const usage = `{"prompt_tokens":${USAGE.input},"completion_tokens":${USAGE.output},"total_tokens":3100}`;
const WHOLE =
  `{"id":"c","object":"chat.completion","created":1,"model":"small","choices":[{"index":0,` +
  `"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":${usage}}`;
const chunk = (more: string): string =>
  `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"small",${more}}\n\n`;
const PIECE = chunk('"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]');
const LAST = `${chunk(`"choices":[],"usage":${usage}`)}data: [DONE]\n\n`;

let part = { expect: 0, hangs: false };
let random = seeded(1);
let cutAfter: number | null = null;
let counts = { total: 0, by: new Map<string, number>(), atOnce: 0, atOnceMax: 0, whole: 0 };
let lastAt = performance.now();
let held: (() => void)[] = [];

function release(): void {
  for (const go of held.splice(0)) go();
}

async function answer(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
  if (!body.includes('"stream":true')) {
    response.writeHead(200, { "content-type": "application/json" }).end(WHOLE);
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const cut = cutAfter;
  cutAfter = null;
  const pieces = cut ?? (part.hangs && random() < 0.5 ? Math.floor(random() * CHUNKS) + 1 : CHUNKS);
  for (let piece = 0; piece < pieces; piece += 1) {
    await new Promise<void>((resolve) => response.write(PIECE, () => resolve()));
  }
  if (cut !== null) request.socket.destroy();
  else if (pieces === CHUNKS && !response.destroyed) {
    counts.whole += 1;
    response.end(LAST);
  }
}

const server = createServer((request, response) => {
  const now = counts;
  const agent = request.headers["user-agent"] ?? "";
  now.total += 1;
  now.atOnce += 1;
  now.atOnceMax = Math.max(now.atOnceMax, now.atOnce);
  now.by.set(agent, (now.by.get(agent) ?? 0) + 1);
  lastAt = performance.now();
  response.once("close", () => (now.atOnce -= 1));
  const pieces: Buffer[] = [];
  request.on("error", () => undefined);
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const body = Buffer.concat(pieces).toString();
    held.push(() => void answer(request, response, body).catch(() => request.socket.destroy()));
    if (counts.total >= part.expect) release();
  });
});

// As providers do, it waits longer for a next request than the gateway keeps a connection.
server.keepAliveTimeout = KEEPALIVE_MS;
process.on("message", (said: ToProvider) => {
  if (said.kind === "cut") cutAfter = said.after;
  else if (said.kind === "part") {
    part = said;
    random = seeded(said.seed);
    counts = { total: 0, by: new Map(), atOnce: 0, atOnceMax: 0, whole: 0 };
    held = [];
  } else {
    const { total, by, atOnceMax, whole } = counts;
    const told: FromProvider = { total, by: Object.fromEntries(by), atOnceMax, whole };
    process.send?.(told);
  }
});
process.on("disconnect", () => process.exit(0));
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
});
for (;;) {
  await setTimeout(TICK_MS);
  if (held.length > 0 && performance.now() - lastAt > QUIET_MS) release();
}
