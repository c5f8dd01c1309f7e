import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from "node:http";
import { duplexPair } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { KeyRing } from "../key-ring.ts";
import type { KeyRecord, Random } from "../keys.ts";

/** What a line was answered with. */
export type Answered = {
  readonly status: number;
  readonly body: Buffer;
  /** The call's name, under which its attempts are booked. */
  readonly call: string;
  /** Seconds that whoever refused asks to wait; null where nothing is said. */
  readonly retryAfterS: number | null;
};

/** Makes calls as clients do, without a network between. */
export type Inside = {
  /** @throws what a connection that ends early throws, also where `signal` ends it */
  call(key: KeyRecord, path: string, body: Buffer, signal: AbortSignal): Promise<Answered>;
};

const TICKET_BYTES = 24;

/**
 * A way in for calls that the gateway makes itself: the same listener behind a server that listens nowhere,
 * so that a line of a batch is planned, limited, paid for and booked exactly as a live call is. In the place
 * of a key's text, which nobody has, stands a ticket that holds for one call.
 */
export function openInside(listenerOf: (ring: KeyRing) => RequestListener, random: Random): Inside {
  const tickets = new Map<string, KeyRecord>();
  const ring: KeyRing = {
    find: (ticket, at) => {
      const key = tickets.get(ticket) ?? null;
      return key !== null && at < key.until ? key : null;
    },
    withId: () => null,
    refresh: async () => {},
    close: async () => {},
  };
  const server = createServer(listenerOf(ring));
  return {
    async call(key, path, body, signal) {
      const ticket = random(TICKET_BYTES).toString("base64url");
      tickets.set(ticket, key);
      try {
        return await exchange(server, ticket, path, body, signal);
      } finally {
        tickets.delete(ticket);
      }
    },
  };
}

async function exchange(
  server: ReturnType<typeof createServer>,
  ticket: string,
  path: string,
  body: Buffer,
  signal: AbortSignal,
): Promise<Answered> {
  const [near, far] = duplexPair();
  server.emit("connection", far);
  const sent = httpRequest({
    ...{ createConnection: () => near, method: "POST", host: "inside", path, signal },
    headers: {
      ...{ authorization: `Bearer ${ticket}`, "content-type": "application/json" },
      ...{ "content-length": body.length, connection: "close" },
    },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve);
    sent.once("error", reject);
  });
  sent.end(body);
  const answer = await answered;
  const wait = Number(answer.headers["retry-after"]);
  return {
    ...{ status: answer.statusCode ?? 502, body: await buffer(answer) },
    call: String(answer.headers["x-factotum-call"] ?? ""),
    retryAfterS: Number.isFinite(wait) && wait >= 0 ? wait : null,
  };
}
