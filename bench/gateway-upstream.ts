/**
 * The provider of `bench:gateway`, as cheap as it can be, so that what is measured is what stands before it:
 * a process of its own, no HTTP library, answers made beforehand. Sends its port to its parent.
 *
 * A stream has 50 chunks, each framed on its own: the first alone, the others `BURST` to a write, one write
 * of each stream per turn of the event loop. Its usage event comes where the request asks for it.
 */
import { createServer, type Socket } from "node:net";

const CHUNKS = 50;
const BURST = 10;

const usage = '"usage":{"prompt_tokens":210,"completion_tokens":50,"total_tokens":260}';
const whole = `{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"small",
"choices":[{"index":0,"message":{"role":"assistant","content":"${"word ".repeat(100)}"},
"finish_reason":"stop"}],${usage}}`;
const JSON_ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n` +
    `openai-processing-ms: 12\r\ncontent-length: ${whole.length}\r\n\r\n${whole}`,
);
const event = (rest: string): string =>
  `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"small",${rest}}\n\n`;
const framed = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const token = framed(
  event('"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]'),
);
const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\n" +
  "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
const end = (asked: boolean): string =>
  `${asked ? framed(event(`"choices":[],${usage}`)) : ""}${framed("data: [DONE]\n\n")}0\r\n\r\n`;

/** The writes of a stream, by whether its usage was asked for. */
const writesOf = (asked: boolean): readonly Buffer[] => {
  const bursts = Array.from({ length: (CHUNKS - 1) / BURST + 1 }, (_, at) =>
    token.repeat(Math.min(BURST, CHUNKS - 1 - at * BURST)),
  ).filter((burst) => burst !== "");
  return [STREAM_HEAD + token, ...bursts.slice(0, -1), (bursts.at(-1) ?? "") + end(asked)].map((text) =>
    Buffer.from(text),
  );
};
const PLAIN = writesOf(false);
const WITH_USAGE = writesOf(true);

const streaming = new Map<Socket, { readonly writes: readonly Buffer[]; at: number }>();
let turning = false;
function turn(): void {
  for (const [socket, stream] of streaming) {
    const write = stream.writes[stream.at];
    stream.at += 1;
    if (write !== undefined) socket.write(write);
    if (stream.at >= stream.writes.length) streaming.delete(socket);
  }
  if (streaming.size > 0) setImmediate(turn);
  else turning = false;
}

/** Answers one request. */
function answer(socket: Socket, request: Buffer): void {
  if (!request.includes('"stream":true')) {
    socket.write(JSON_ANSWER);
    return;
  }
  const writes = request.includes('"include_usage":true') ? WITH_USAGE : PLAIN;
  socket.write(writes[0] ?? "");
  streaming.set(socket, { writes, at: 1 });
  if (turning) return;
  turning = true;
  setImmediate(turn);
}

/** The length of the request at the beginning of `text`, or null while it is not all there. */
function lengthOf(text: Buffer): number | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = text.toString("latin1", 0, headEnd);
  const length = /content-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return headEnd + 4 + Number(length);
  const last = text.indexOf("\r\n0\r\n\r\n", headEnd);
  return last < 0 ? null : last + 7;
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | null = null;
  socket.on("error", () => socket.destroy());
  socket.on("close", () => streaming.delete(socket));
  socket.on("data", (piece: Buffer) => {
    const text = rest === null ? piece : Buffer.concat([rest, piece]);
    const length = lengthOf(text);
    if (length === null || text.length < length) {
      rest = text;
      return;
    }
    // No client of ours sends a request before it has the answer to the one before.
    rest = null;
    answer(socket, text);
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.(typeof address === "object" && address !== null ? address.port : 0);
});
process.on("disconnect", () => process.exit(0));
