/** Words looked for in what was said. */

/** Matches any of these words or phrases as whole words; each may be a pattern. */
export function anyWord(...forms: readonly string[]): RegExp {
  return new RegExp(`\\b(?:${forms.join("|")})\\b`);
}

/** A wish to cancel; of what was called off before, "cancelled" is said. */
export const CANCELS = anyWord(
  "cancel(l?ing|lation)?",
  "call(ing)? (it |them |that |this |my )?off",
  "scrap(ping)?",
  "annul\\w*",
);

/** One argument of a call as text; empty where it is absent or no text. */
export function textOf(input: unknown, name: string): string {
  const value = (input as Readonly<Record<string, unknown>> | null)?.[name];
  return typeof value === "string" ? value : "";
}
