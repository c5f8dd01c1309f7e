import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Sink } from "./outflow.ts";

/** Who waits for an answer. */
export type Waiting = {
  readonly response: ServerResponse;
  /** Its own call's id. */
  readonly id: string;
};

/** An answer as it went out. */
export type WholeAnswer = {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer;
};

/** A larger answer goes only to those who wait already, and is not kept. */
const SHARED_BYTES_MAX = 1024 * 1024;
/** Whoever takes so much less than others is cut off. */
const BEHIND_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Takes an exchange's answer in the place of one client and passes it to all who wait for it, also to those
 * who come while it is under way. The exchange is given up when the last of them has gone.
 */
export class SharedAnswer implements Sink {
  /** Each client's connection frames what it gets. */
  readonly useChunkedEncodingByDefault = false;
  chunkedEncoding = false;
  destroyed = false;
  writableEnded = false;
  readonly #clients = new Map<Waiting, "hit" | "miss">();
  readonly #closed: (() => void)[] = [];
  #head: { readonly status: number; readonly headers: readonly string[] } | null = null;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #deserted = false;

  get headersSent(): boolean {
    return this.#head !== null;
  }

  /** Whether the last of those who waited has gone. */
  get deserted(): boolean {
    return this.#deserted;
  }

  /** The answer, once it has ended whole and is not too large. */
  get whole(): WholeAnswer | null {
    if (this.#head === null || !this.writableEnded || this.#bytes > SHARED_BYTES_MAX) return null;
    return { ...this.#head, body: Buffer.concat(this.#pieces) };
  }

  /** Has one more wait. @returns false where it comes too late */
  join(client: Waiting, told: "hit" | "miss"): boolean {
    if (this.destroyed || this.#deserted || this.#bytes > SHARED_BYTES_MAX) return false;
    this.#clients.set(client, told);
    client.response.on("close", () => this.#left(client));
    if (this.#head !== null) this.#headTo(client, told);
    if (this.#bytes > 0) client.response.write(Buffer.concat(this.#pieces));
    if (this.writableEnded) client.response.end();
    return true;
  }

  /** Answers all who wait with an answer that was kept. */
  replay({ status, headers, body }: WholeAnswer): void {
    for (const client of this.#clients.keys()) this.#clients.set(client, "hit");
    this.writeHead(status, [...headers]);
    this.end(body);
  }

  writeHead(status: number, headers: string[] | OutgoingHttpHeaders): void {
    const flat = Array.isArray(headers)
      ? headers
      : Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);
    // Each has a call's id of its own.
    this.#head = { status, headers: without(flat, "x-factotum-call") };
    for (const [client, told] of this.#clients) this.#headTo(client, told);
  }

  flushHeaders(): void {
    for (const { response } of this.#clients.keys()) response.flushHeaders();
  }

  write(piece: Buffer): boolean {
    this.#keep(piece);
    for (const { response } of this.#clients.keys()) {
      response.write(piece);
      if (response.writableLength > BEHIND_BYTES_MAX) response.destroy();
    }
    return true;
  }

  end(last?: Buffer | string): void {
    if (last !== undefined) this.#keep(Buffer.from(last));
    this.writableEnded = true;
    for (const { response } of this.#clients.keys()) response.end(last);
  }

  destroy(): void {
    this.destroyed = true;
    for (const { response } of this.#clients.keys()) response.destroy();
  }

  on(_: "close", listener: () => void): void {
    this.#closed.push(listener);
  }

  /** Nobody is waited for: whoever takes too little is cut off. */
  once(): void {}

  #headTo({ response, id }: Waiting, told: "hit" | "miss"): void {
    const { status, headers } = this.#head ?? { status: 500, headers: [] };
    response.writeHead(status, [...headers, "x-factotum-call", id, "x-factotum-cache", told]);
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes <= SHARED_BYTES_MAX) this.#pieces.push(piece);
    else this.#pieces = [];
  }

  #left(client: Waiting): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0 || this.writableEnded) return;
    this.#deserted = true;
    for (const listener of this.#closed) listener();
  }
}

function without(headers: readonly string[], name: string): string[] {
  return headers.filter((_, at) => headers[at - (at % 2)] !== name);
}
