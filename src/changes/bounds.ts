import { StageError } from "./errors.ts";

/** How much a tool's work may take; what Postgres itself enforces, the work's SQL could switch off. */
export type Bounds = {
  /** Longest time from the first statement to the last, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest answer to one statement. */
  readonly answerBytesMax: number;
};

/** What is watched of the driver's connection. */
type Stream = {
  readonly stream: {
    destroy(): void;
    on(event: "data", listener: (chunk: Buffer) => void): void;
    off(event: "data", listener: (chunk: Buffer) => void): void;
  };
  prependListener(event: "readyForQuery", listener: () => void): void;
  off(event: "readyForQuery", listener: () => void): void;
};

/**
 * Runs work within bounds. Past one, its backend is ended, since a statement can catch a mere cancelling, and
 * the connection with it.
 *
 * @throws {StageError} `too-long` or `too-much-data`
 */
export async function bounded<T>(
  wire: Stream,
  bounds: Bounds | undefined,
  stop: () => void,
  work: () => Promise<T>,
): Promise<T> {
  if (bounds === undefined) return await work();
  const broken = Promise.withResolvers<never>();
  const breakOff = (error: StageError): void => {
    broken.reject(error);
    // The socket first: nothing more may arrive. The server would notice that only when it next writes.
    wire.stream.destroy();
    stop();
  };
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > bounds.answerBytesMax) breakOff(tooMuch(bounds));
  };
  const restart = (): void => {
    bytes = 0;
  };
  const timer = setTimeout(() => {
    breakOff(tooLong(bounds));
  }, bounds.timeoutMs);
  wire.stream.on("data", count);
  wire.prependListener("readyForQuery", restart);
  try {
    return await Promise.race([work(), broken.promise]);
  } finally {
    clearTimeout(timer);
    wire.stream.off("data", count);
    wire.off("readyForQuery", restart);
  }
}

function tooLong({ timeoutMs }: Bounds): StageError {
  return new StageError({
    code: "too-long",
    message: `staged work was not done after ${timeoutMs / 1000} s; it was ended and nothing was kept`,
  });
}

function tooMuch({ answerBytesMax }: Bounds): StageError {
  return new StageError({
    code: "too-much-data",
    message:
      `a statement of a tool gave more than ${Math.floor(answerBytesMax / 1024 / 1024)} MiB; nothing was ` +
      "kept: ask for less, or add up in SQL",
  });
}
