import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { UsageTap } from "./usage-tap.ts";

/** Where an answer goes: a client's response, or whatever stands in its place. */
export type Sink = Pick<
  ServerResponse,
  "headersSent" | "destroyed" | "writableEnded" | "useChunkedEncodingByDefault" | "chunkedEncoding"
> & {
  writeHead(status: number, headers: string[] | OutgoingHttpHeaders): unknown;
  flushHeaders(): void;
  /** @returns false where no more is wanted for now */
  write(piece: Buffer): boolean;
  end(last?: Buffer | string): unknown;
  destroy(): unknown;
  on(event: "close", listener: () => void): unknown;
  once(event: "drain", listener: () => void): unknown;
};

const CRLF = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const ROOM_BEFORE = 16;
const ROOM_AFTER = CRLF.length + LAST_CHUNK.length;

/**
 * Puts an answer on its way. Pieces that come out of one read of the provider's socket leave in one write:
 * the head and they wait for the end of that read and no longer, so that nothing is late.
 *
 * An answer without a stated length is framed here and handed to node:http as it is to be on the wire: for a
 * stream of small pieces its own framing costs four writes where one does.
 */
export class Outflow {
  readonly #response: Sink;
  readonly #blocked: () => void;
  #head: { readonly status: number; readonly headers: string[]; readonly eager: boolean } | null = null;
  #tap: UsageTap | null = null;
  #pieces: Buffer[] = [];
  /** What the tap has let pass, and is not written. */
  #passed: Buffer[] = [];
  /** What was gathered last, with room around it. */
  #room: { readonly whole: Buffer; readonly text: Buffer } | null = null;
  #waiting = false;
  #framed = false;
  #begun = false;

  /** @param blocked called when the client takes no more for now, until the response drains */
  constructor(response: Sink, blocked: () => void) {
    this.#response = response;
    this.#blocked = blocked;
  }

  /** Whether the client has been told a status, which cannot be taken back. */
  get begun(): boolean {
    return this.#begun;
  }

  /**
   * Begins the answer.
   *
   * @param headers names and values in turn, without any that frame the body but a length
   * @param sized whether a length is among them
   * @param eager whether the head is not to wait for the first piece
   */
  head(status: number, headers: string[], sized: boolean, eager: boolean): void {
    this.#begun = true;
    this.#framed = !sized && this.#response.useChunkedEncodingByDefault && status !== 204;
    if (this.#framed) headers.push("transfer-encoding", "chunked");
    this.#head = { status, headers, eager };
    if (eager) this.#later();
  }

  /** Passes on what `tap` makes of the pieces that follow. */
  through(tap: UsageTap): void {
    this.read();
    this.#tap = tap;
  }

  /** Has the tap read what has gathered. */
  read(): void {
    if (this.#pieces.length === 0) return;
    const text = this.#framed ? this.#roomy(this.#pieces) : joined(this.#pieces);
    this.#pieces = [];
    const passed = this.#tap === null ? text : this.#tap.push(text);
    if (passed !== null && passed.length > 0) this.#passed.push(passed);
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#later();
  }

  /**
   * Ends the answer, with `last` as its last words, which no tap reads.
   *
   * @throws {RefusedAnswer} before anything was written, where the tap waited and cannot pass the answer on
   */
  end(last?: string): void {
    const pieces = this.#taken();
    // Half an event before an error would spoil both.
    const rest = last === undefined ? (this.#tap?.rest() ?? null) : null;
    if (rest !== null) pieces.push(rest);
    if (last !== undefined) pieces.push(Buffer.from(last));
    this.#writeHead();
    const response = this.#response;
    if (this.#framed) response.end(this.#frame(pieces, LAST_CHUNK));
    else if (pieces.length === 0) response.end();
    else response.end(joined(pieces));
  }

  #later(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    process.nextTick(flush, this);
  }

  /** Writes what has gathered. */
  flush(): void {
    this.#waiting = false;
    if (!this.#response.writableEnded) this.#settle();
  }

  #settle(): void {
    const eager = this.#head?.eager === true;
    const pieces = this.#taken();
    if (pieces.length === 0) {
      if (!eager) return;
      this.#writeHead();
      this.#response.flushHeaders();
      return;
    }
    this.#writeHead();
    const text = this.#framed ? this.#frame(pieces, null) : joined(pieces);
    if (!this.#response.write(text)) this.#blocked();
  }

  #taken(): Buffer[] {
    this.read();
    const passed = this.#passed;
    if (passed.length > 0) this.#passed = [];
    return passed;
  }

  /** Gathers pieces with room for what frames them: as a rule they pass as they are, and are copied once. */
  #roomy(pieces: readonly Buffer[]): Buffer {
    const whole = Buffer.allocUnsafe(ROOM_BEFORE + bytesOf(pieces) + ROOM_AFTER);
    let at = ROOM_BEFORE;
    for (const piece of pieces) at += piece.copy(whole, at);
    const text = whole.subarray(ROOM_BEFORE, at);
    this.#room = { whole, text };
    return text;
  }

  #frame(pieces: readonly Buffer[], after: Buffer | null): Buffer {
    const room = this.#room;
    this.#room = null;
    if (room === null || pieces.length !== 1 || pieces[0] !== room.text) return framed(pieces, after);
    const { whole, text } = room;
    const before = sizeLine(text.length);
    const start = ROOM_BEFORE - before.length;
    whole.write(before, start, "latin1");
    let end = ROOM_BEFORE + text.length;
    end += CRLF.copy(whole, end);
    if (after !== null) end += after.copy(whole, end);
    return whole.subarray(start, end);
  }

  #writeHead(): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    this.#response.writeHead(head.status, head.headers);
    // The head has said how the body is framed; the framing itself is ours.
    if (this.#framed) this.#response.chunkedEncoding = false;
  }
}

function flush(outflow: Outflow): void {
  outflow.flush();
}

function joined(pieces: readonly Buffer[]): Buffer {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}

function bytesOf(pieces: readonly Buffer[]): number {
  let bytes = 0;
  for (const { length } of pieces) bytes += length;
  return bytes;
}

/** What a chunk begins with: at most `ROOM_BEFORE` characters. */
function sizeLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** One chunk of HTTP/1.1 with the pieces in it, and what follows. */
function framed(pieces: readonly Buffer[], after: Buffer | null): Buffer {
  const bytes = bytesOf(pieces);
  if (bytes === 0) return after ?? Buffer.alloc(0);
  const before = Buffer.from(sizeLine(bytes), "latin1");
  return Buffer.concat(after === null ? [before, ...pieces, CRLF] : [before, ...pieces, CRLF, after]);
}
