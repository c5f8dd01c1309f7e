/** The clients of `bench:gateway`: sockets with one request under way each, that check every answer. */
import { connect, type Socket } from "node:net";

/** What is asked, again and again. */
export type Order = {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly stream: boolean;
};

/** What came of a load. */
export type Load = { readonly answered: number; readonly wrong: number; readonly seconds: number };

const PROMPT = "Say in one word what the following paragraph is about. ".repeat(16);
const DONE = "data: [DONE]\n\n";
/** Enough to see the end of a stream and of its framing. */
const TAIL_CHARS = 40;

/** The bytes of a request. */
export function requestOf({ port, path, headers, stream }: Order): Buffer {
  const body = JSON.stringify({
    model: "small",
    max_tokens: 100,
    messages: [{ role: "user", content: PROMPT }],
    ...(stream && { stream }),
  });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      `${lines.join("")}content-length: ${body.length}\r\n\r\n${body}`,
  );
}

/** Asks over `connections` sockets, without a pause, until the time or the number of answers is reached. */
export async function load(
  order: Order,
  connections: number,
  until: { readonly seconds?: number; readonly answers?: number },
): Promise<Load> {
  const request = requestOf(order);
  const { seconds = Infinity, answers = Infinity } = until;
  const began = performance.now();
  const counts = { answered: 0, wrong: 0, begun: 0 };
  const enough = (): boolean => counts.begun >= answers || performance.now() - began >= seconds * 1000;
  const one = async (): Promise<void> => {
    const connection = await open(order.port);
    while (!enough()) {
      counts.begun += 1;
      const right = await connection.ask(request, order.stream);
      if (right) counts.answered += 1;
      else counts.wrong += 1;
      if (counts.wrong > WRONG_MAX) break;
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, one));
  return { answered: counts.answered, wrong: counts.wrong, seconds: (performance.now() - began) / 1000 };
}

/** Beyond so many the subject is broken, and its figures say nothing. */
const WRONG_MAX = 100;

/** Milliseconds from a request to the first byte of its body, of many streams begun at a steady rate. */
export async function firstTokens(
  orders: readonly Order[],
  perSecond: number,
  seconds: number,
): Promise<readonly (readonly number[])[]> {
  const found: number[][] = orders.map(() => []);
  const idle: Connection[][] = orders.map(() => []);
  const requests = orders.map(requestOf);
  const asking = new Set<Promise<void>>();
  const ask = async (at: number, order: Order, request: Buffer): Promise<void> => {
    const connection = idle[at]?.pop() ?? (await open(order.port));
    const began = performance.now();
    const right = await connection.ask(request, true, () => found[at]?.push(performance.now() - began));
    if (right) idle[at]?.push(connection);
  };
  for (let count = 0; count < perSecond * seconds; count += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000 / perSecond));
    for (const [at, order] of orders.entries()) {
      const one: Promise<void> = ask(at, order, requests[at] ?? Buffer.alloc(0)).finally(() =>
        asking.delete(one),
      );
      asking.add(one);
    }
  }
  await Promise.all(asking);
  for (const connection of idle.flat()) connection.close();
  return found.map((times) => times.slice(Math.floor(times.length / 10)));
}

/** The first wrong answer is shown. */
let shown = false;

type Heard = { done(right: boolean): void; first: (() => void) | undefined; readonly stream: boolean };
type Connection = {
  ask(request: Buffer, stream: boolean, first?: () => void): Promise<boolean>;
  close(): void;
};

async function open(port: number): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return overSocket(socket);
}

function overSocket(socket: Socket): Connection {
  let heard: Heard | null = null;
  let head: Buffer | null = null;
  let left: number | "chunked" | null = null;
  let tail = "";
  let ok = false;
  const end = (right: boolean): void => {
    const told = heard;
    heard = null;
    told?.done(right);
  };
  const refused = (text: string): void => {
    if (shown) return;
    shown = true;
    process.stderr.write(`a wrong answer: ${text}\n`);
  };
  /** Reads an answer's head. @returns what of its body is there, or null while the head is not whole */
  const headed = (piece: Buffer): Buffer | null => {
    const all: Buffer = head === null ? piece : Buffer.concat([head, piece]);
    const over = all.indexOf("\r\n\r\n");
    head = over < 0 ? all : null;
    if (over < 0) return null;
    const text = all.toString("latin1", 0, over);
    ok = text.startsWith("HTTP/1.1 200");
    if (!ok) refused(all.toString("latin1"));
    const length = /content-length: *(\d+)/i.exec(text)?.[1];
    left = length === undefined ? "chunked" : Number(length);
    return all.subarray(over + 4);
  };
  socket.on("data", (piece: Buffer) => {
    const body = left === null ? headed(piece) : piece;
    if (body === null || body.length === 0 || heard === null) return;
    heard.first?.();
    heard.first = undefined;
    tail = (tail + body.toString("latin1", Math.max(0, body.length - TAIL_CHARS))).slice(-TAIL_CHARS);
    if (typeof left === "number") left -= body.length;
    if (left === "chunked" ? tail.endsWith("\r\n0\r\n\r\n") : left === 0) {
      end(ok && (heard.stream ? tail.includes(DONE) : tail.includes("}")));
    }
  });
  socket.on("error", () => end(false));
  socket.on("close", () => end(false));
  return {
    ask: (request, stream, first) =>
      new Promise((resolve) => {
        heard = { done: resolve, first, stream };
        left = null;
        tail = "";
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}
