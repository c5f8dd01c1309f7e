import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher, Pool } from "undici";
import { FORBIDDEN_ADDRESS } from "./reach.ts";

/** How an attempt at a provider ended. */
export type AttemptEnd =
  /** The provider's answer, or its refusal, has passed in full. */
  | { readonly kind: "answered"; readonly status: number }
  /** The provider refused before anything was passed on, and there is another to try. */
  | { readonly kind: "declined"; readonly status: number; readonly retryAfter: string | undefined }
  /** Nothing has reached the provider. Where it is forbidden to go there, no other try fares better. */
  | { readonly kind: "not-sent"; readonly error: Error; readonly forbidden: boolean }
  /** The provider may have worked: it was too slow, its connection broke, or the client went away. */
  | {
      readonly kind: "timed-out" | "cut" | "client-left" | "outraced";
      readonly status: number | null;
      readonly error: Error;
    };

/** Who hears of an answer as it passes. */
export type AttemptEars = {
  /** @returns false where this answer is not to be passed on, because another provider is tried */
  head(status: number, headers: IncomingHttpHeaders): boolean;
  /** @returns false where the client takes no more for now */
  piece(chunk: Buffer): boolean;
  end(end: AttemptEnd): void;
};

/** An attempt under way. */
export type Underway = { abort(kind: "timed-out" | "client-left" | "outraced"): void; resume(): void };

/** What of an answer that is not passed on is read, so that its connection can be used again. */
const DRAIN_BYTES_MAX = 64 * 1024;

/** Errors of undici before the first byte was sent. */
const BEFORE_SENDING: ReadonlySet<string> = new Set([
  ...["UND_ERR_CONNECT_TIMEOUT", "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"],
  ...[FORBIDDEN_ADDRESS, "ERR_TLS_CERT_ALTNAME_INVALID", "DEPTH_ZERO_SELF_SIGNED_CERT"],
]);

/**
 * Sends one attempt; its answer is passed to `ears` piece by piece, as it comes.
 *
 * @param headers names and values in turn
 */
export function send(pool: Pool, path: string, headers: string[], body: Buffer, ears: AttemptEars): Underway {
  const underway = new AttemptHandler(ears);
  pool.dispatch({ path, method: "POST", headers, body }, underway);
  return underway;
}

class AttemptHandler implements Dispatcher.DispatchHandler {
  readonly #ears: AttemptEars;
  #controller: Dispatcher.DispatchController | null = null;
  #status: number | null = null;
  #declined: { readonly retryAfter: string | undefined } | null = null;
  #drained = 0;
  #aborted: "timed-out" | "client-left" | "outraced" | null = null;
  #ended = false;

  constructor(ears: AttemptEars) {
    this.#ears = ears;
  }

  abort(kind: "timed-out" | "client-left" | "outraced"): void {
    if (this.#aborted !== null || this.#ended) return;
    this.#aborted = kind;
    this.#controller?.abort(new Error(kind));
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted !== null) controller.abort(new Error(this.#aborted));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.#status = status;
    const retryAfter = headers["retry-after"];
    if (!this.#ears.head(status, headers)) this.#declined = { retryAfter };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#declined === null) {
      if (!this.#ears.piece(chunk)) controller.pause();
      return;
    }
    this.#drained += chunk.length;
    if (this.#drained > DRAIN_BYTES_MAX) controller.abort(new Error("declined"));
  }

  onResponseEnd(): void {
    const status = this.#status ?? 0;
    this.#end(
      this.#declined === null
        ? { kind: "answered", status }
        : { kind: "declined", status, ...this.#declined },
    );
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const status = this.#status;
    if (this.#declined !== null) {
      this.#end({ kind: "declined", status: status ?? 0, ...this.#declined });
      return;
    }
    const code = "code" in error ? String(error.code) : "";
    if (this.#aborted !== null) this.#end({ kind: this.#aborted, status, error });
    else if (BEFORE_SENDING.has(code)) {
      this.#end({ kind: "not-sent", error, forbidden: code === FORBIDDEN_ADDRESS });
    } else this.#end({ kind: "cut", status, error });
  }

  #end(end: AttemptEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#ears.end(end);
  }
}
