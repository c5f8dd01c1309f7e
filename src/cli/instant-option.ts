import { InvalidArgumentError } from "commander";

/** Parses an option that is a time. */
export function instant(text: string): Date {
  const at = new Date(text);
  if (!Number.isNaN(at.getTime())) return at;
  throw new InvalidArgumentError("It must be a time such as 2026-11-23T00:00:00Z.");
}
