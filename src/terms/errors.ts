import { InputError } from "../kernel/index.ts";

/**
 * What is wrong with an agreement, a plan or an event, or with what is asked of them. The code says which;
 * see each function for the codes it throws.
 */
export class TermsError extends InputError {}

/** A `TermsError` that no second try mends: the caller has to change something. */
export function refuseTerms(code: string, message: string, cause?: unknown): TermsError {
  return new TermsError({ code, message, ...(cause === undefined ? {} : { cause }) });
}
