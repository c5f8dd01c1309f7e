import { InputError } from "factotum/kernel";

/** Why the calendar refuses a statement; a fact about the statement, so trying again changes nothing. */
export type RefusalCode =
  | "unknown-carrier"
  | "unknown-circuit"
  | "foreign-circuit"
  | "window-not-forward"
  | "statement-unusable"
  | "duplicate-notice";

/** The calendar refuses a statement. Nothing was written. */
export class StatementRefused extends InputError {
  override readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super({ code, message });
    this.code = code;
  }
}
