/** From sending the request to the first byte of the answer; thinking models are slow to begin. */
export const FIRST_BYTE_MS_MAX = 180_000;
/** Longest silence inside a stream; providers that think send events or pings meanwhile. */
export const SILENCE_MS_MAX = 120_000;
/** Longest life of one try, whatever arrives. */
export const TOTAL_MS_MAX = 900_000;
/** Largest answer read, bytes; a stream that exceeds it is cut as a bad reply. */
export const REPLY_BYTES_MAX = 32 * 1024 * 1024;

/** Which limit was passed. Connecting has the HTTP client's own (10 s in Node) and reads `unreachable`. */
export type Phase = "first-byte" | "silence" | "total" | "size";

/** How long each phase of a try may last, milliseconds. */
export type Timeouts = {
  readonly firstByteMs: number;
  readonly silenceMs: number;
  readonly totalMs: number;
};

/** The limits used unless others are given. */
export const defaultTimeouts: Timeouts = {
  firstByteMs: FIRST_BYTE_MS_MAX,
  silenceMs: SILENCE_MS_MAX,
  totalMs: TOTAL_MS_MAX,
};

/** Starts a timer and gives back the function that stops it. Injected, so that tests need not wait. */
export type Timers = { after(ms: number, fire: () => void): () => void };

/** Timers of the process; they do not keep it alive. */
export const processTimers: Timers = {
  after: (ms, fire) => {
    const timer = setTimeout(fire, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Watches one try over the wire: counts bytes, ends it when a limit is passed or the caller stops it. */
export type Watch = {
  /** Aborted when a limit is passed or the caller stops. */
  readonly signal: AbortSignal;
  /** The `fetch` to give to the client. */
  readonly fetch: typeof globalThis.fetch;
  /** The limit that was passed, if any. */
  expired(): Phase | null;
  /** The status of the answer, or null when there was none. */
  status(): number | null;
  /** Whether the answer called itself a stream of events. */
  streamed(): boolean;
  /** Whether a request may have reached the server. */
  sent(): boolean;
  /** Stops all timers. */
  done(): void;
};

/** Begins to watch a try. */
export function watchTry(options: {
  readonly caller: AbortSignal;
  readonly timeouts: Timeouts;
  readonly timers: Timers;
  readonly fetch: typeof globalThis.fetch;
}): Watch {
  const limit = new AbortController();
  const signal = AbortSignal.any([options.caller, limit.signal]);
  const seen = {
    sent: false,
    status: null as number | null,
    streamed: false,
    bytes: 0,
    phase: null as Phase | null,
  };
  const expire = (phase: Phase): void => {
    seen.phase ??= phase;
    limit.abort(new DOMException(`the ${phase} limit was passed`, "AbortError"));
  };
  const stopTotal = options.timers.after(options.timeouts.totalMs, () => expire("total"));
  let stopQuiet = options.timers.after(options.timeouts.firstByteMs, () => expire("first-byte"));
  const heard = (bytes: number): void => {
    stopQuiet();
    seen.bytes += bytes;
    if (seen.bytes > REPLY_BYTES_MAX) expire("size");
    else stopQuiet = options.timers.after(options.timeouts.silenceMs, () => expire("silence"));
  };
  const tapped: typeof globalThis.fetch = async (input, init) => {
    seen.sent = true;
    const response = await options.fetch(input, { ...init, signal });
    seen.status = response.status;
    seen.streamed = (response.headers.get("content-type") ?? "").includes("event-stream");
    heard(0);
    return withBody(response, heard);
  };
  return {
    signal,
    fetch: tapped,
    expired: () => seen.phase,
    status: () => seen.status,
    streamed: () => seen.streamed,
    sent: () => seen.sent,
    done: () => {
      stopTotal();
      stopQuiet();
    },
  };
}

function withBody(response: Response, heard: (bytes: number) => void): Response {
  if (response.body === null) return response;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        heard(chunk.byteLength);
        controller.enqueue(chunk);
      },
    }),
  );
  return new Response(counted, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  });
}
