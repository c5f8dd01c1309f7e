import { InputError, type Json, type MicroUsd, microUsd, storableText } from "../kernel/index.ts";

/** What a person may say to a run under way; it is seen before the run's next step. */
export type Nudge = {
  /** A sentence; may be empty where something else is said. */
  readonly text: string;
  /** Keep the sentence: the agent is told it in every later run of this tenant. */
  readonly always: boolean;
  /** Leave this piece of work: nothing more of it is committed. */
  readonly skip: boolean;
  /** What the run's model calls may cost together, from its beginning. */
  readonly budget: MicroUsd | null;
  /** Stop the model call under way, instead of letting it end first; a skip always does. */
  readonly interrupt: boolean;
};

/** A nudge as it is given; what is left out is not wanted. */
export type NewNudge = Partial<Nudge>;

/** The most characters of one nudge. */
export const NUDGE_CHARS_MAX = 4_000;

/**
 * Completes a nudge and holds it against its limits.
 *
 * @throws {InputError} `nudge-empty`, `nudge-too-long`, `nudge-invalid`
 */
export function makeNudge(given: NewNudge): Nudge {
  const { always = false, skip = false, budget = null } = given;
  const text = storableText(given.text ?? "").trim();
  const interrupt = skip || (given.interrupt ?? false);
  if (text === "" && !skip && budget === null) {
    throw refused("nudge-empty", "a nudge needs a sentence, a budget, or the word to skip");
  }
  if (text === "" && always) throw refused("nudge-empty", "what is always to be done needs a sentence");
  if (text.length > NUDGE_CHARS_MAX) {
    const message = `a nudge may have ${NUDGE_CHARS_MAX} characters, this one has ${text.length}`;
    throw refused("nudge-too-long", message);
  }
  if (budget !== null && budget < 0n) throw refused("nudge-invalid", "a budget cannot be less than nothing");
  return { text, always, skip, budget, interrupt };
}

/** A nudge as plain data, for its row. */
export function nudgeToJson({ budget, ...nudge }: Nudge): Json {
  return { ...nudge, budgetMicroUsd: budget === null ? null : String(budget) };
}

/** A nudge from what its row holds; one that a program wrote in a form of its own is a sentence. */
export function nudgeFromJson(json: Json): Nudge {
  const { text, always, skip, interrupt, budgetMicroUsd } = (
    typeof json === "object" && json !== null && !Array.isArray(json) ? json : { text: json }
  ) as { readonly [part: string]: Json | undefined };
  return {
    text: typeof text === "string" ? text : JSON.stringify(json),
    always: always === true,
    skip: skip === true,
    interrupt: interrupt === true,
    budget: typeof budgetMicroUsd === "string" ? microUsd(BigInt(budgetMicroUsd)) : null,
  };
}

function refused(code: string, message: string): InputError {
  return new InputError({ code, message });
}
