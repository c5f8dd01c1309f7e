import { FactotumError, type ModelId, type Retry } from "../kernel/index.ts";
import type { Usage } from "./usage.ts";

/** Every way in which a call can fail. */
export type ModelErrorCode =
  | "rate-limited"
  | "quota-exhausted"
  | "overloaded"
  | "unreachable"
  | "timed-out"
  | "cut"
  | "bad-reply"
  | "unauthorised"
  | "key-missing"
  | "context-too-long"
  | "refused"
  | "bad-request"
  | "no-such-model"
  | "unknown-model"
  | "stopped";

/**
 * What the provider may bill for a failed call: `nothing` (it refused before any work), `counted` (`usage`
 * is complete), `partly` (`usage` is a floor), `unknown`.
 */
export type Billed = "nothing" | "counted" | "partly" | "unknown";

/** What a run does about each code; a code not under `later` is not worth trying again on the same model. */
const RETRY: Readonly<Record<ModelErrorCode, Retry>> = {
  "rate-limited": "later",
  "quota-exhausted": "elsewhere",
  overloaded: "later",
  unreachable: "later",
  "timed-out": "later",
  cut: "later",
  "bad-reply": "later",
  unauthorised: "elsewhere",
  "key-missing": "elsewhere",
  "context-too-long": "elsewhere",
  refused: "elsewhere",
  "bad-request": "elsewhere",
  "no-such-model": "elsewhere",
  "unknown-model": "never",
  stopped: "later",
};

/** What a `ModelError` is made of. */
export type ModelErrorFields = {
  readonly code: ModelErrorCode;
  readonly model: ModelId;
  readonly message: string;
  readonly billed: Billed;
  readonly usage?: Usage | null;
  readonly retryAfterMs?: number | null;
  readonly status?: number | null;
};

/**
 * A call that brought no complete reply. It carries no cause: a client's error object holds the request,
 * and with it text and headers that do not belong in a log. Keys are removed from the message.
 */
export class ModelError extends FactotumError {
  declare readonly code: ModelErrorCode;
  readonly model: ModelId;
  readonly billed: Billed;
  /** What the provider counted before it failed, as far as `billed` says. */
  readonly usage: Usage | null;
  /** How long the provider asked us to wait, if it did. */
  readonly retryAfterMs: number | null;
  /** The HTTP status, if there was an answer. */
  readonly status: number | null;

  constructor(fields: ModelErrorFields) {
    super({ code: fields.code, retry: RETRY[fields.code], message: fields.message });
    this.model = fields.model;
    this.billed = fields.billed;
    this.usage = fields.usage ?? null;
    this.retryAfterMs = fields.retryAfterMs ?? null;
    this.status = fields.status ?? null;
  }
}
