import type { ContentfulStatusCode } from "hono/utils/http-status";
import { FactotumError, InputError } from "../kernel/index.ts";

/** The one form of every refusal and failure over HTTP. */
export type ErrorReply = { readonly error: { readonly code: string; readonly message: string } };

/** A request refused by the HTTP layer itself, with the status it is answered by. */
export class HttpError extends FactotumError {
  readonly status: ContentfulStatusCode;

  constructor(status: ContentfulStatusCode, code: string, message: string) {
    super({ code, retry: "never", message });
    this.status = status;
  }
}

/** Statuses of codes whose class alone does not tell: the thing named is not there, or its time is over. */
const STATUSES: Readonly<Record<string, ContentfulStatusCode>> = {
  "run-unknown": 404,
  "text-unfit": 400,
  "question-unknown": 404,
  "table-unknown": 404,
  "effect-unknown": 404,
  "effect-not-dead": 409,
  "question-closed": 409,
  "answer-refused": 403,
  "link-forged": 403,
  "link-expired": 410,
  "signature-refused": 401,
  "instruction-unknown": 404,
  "nothing-to-undo": 409,
  "undo-refused": 409,
  conflict: 409,
  "run-over": 409,
  "run-paused": 409,
  "run-not-paused": 409,
  "run-not-failed": 409,
  "value-invalid": 422,
};

/** Any thrown value as a status and a reply; what is not ours tells nothing of its inside. */
export function errorReply(error: unknown): {
  readonly status: ContentfulStatusCode;
  readonly body: ErrorReply;
} {
  if (!(error instanceof FactotumError)) {
    const message = "something failed inside; the log of this process says what";
    return { status: 500, body: { error: { code: "internal", message } } };
  }
  return { status: statusOf(error), body: { error: { code: error.code, message: error.message } } };
}

function statusOf(error: FactotumError): ContentfulStatusCode {
  if (error instanceof HttpError) return error.status;
  const known = STATUSES[error.code];
  if (known !== undefined) return known;
  if (error instanceof InputError) return 422;
  return error.retry === "later" ? 503 : 500;
}
