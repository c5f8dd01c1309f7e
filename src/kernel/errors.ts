/** What a durable run does with an error: give up, try again later, or try another way. */
export type Retry = "never" | "later" | "elsewhere";

/** Fields that every error of Factotum carries. */
export type ErrorFields = {
  readonly code: string;
  readonly retry: Retry;
  readonly message: string;
  readonly cause?: unknown;
};

/**
 * The base of every error that Factotum throws. `code` is stable and made for programs, `message`
 * says what happened, to which id, and what to do next; `retry` is what runs obey.
 */
export class FactotumError extends Error {
  readonly code: string;
  readonly retry: Retry;

  constructor(fields: ErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = new.target.name;
    this.code = fields.code;
    this.retry = fields.retry;
  }
}

/** Bad input from outside: a file, a request, a configuration. Trying again changes nothing. */
export class InputError extends FactotumError {
  constructor(fields: Omit<ErrorFields, "retry">) {
    super({ ...fields, retry: "never" });
  }
}

/** A broken promise inside the program: a bug, never the user's fault. */
export class InvariantError extends FactotumError {
  constructor(message: string) {
    super({ code: "invariant-broken", retry: "never", message });
  }
}

/** Narrows away null and undefined where the program's own logic guarantees a value. */
export function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new InvariantError(`${what} is missing`);
  return value;
}

/** The sentence of any thrown value, for logs and timelines. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
