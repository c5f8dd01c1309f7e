import type { Card, CardChange, Choice } from "../inbox/index.ts";
import type { Diff } from "../changes/index.ts";
import type { Agent } from "./agent.ts";
import type { AttemptRecord } from "./attempts.ts";

/** The most characters of an input that a card carries; the whole of it stays with the run. */
const ABOUT_CHARS_MAX = 4_000;

const COMMIT: Choice = { id: "commit", label: "Commit it as staged" };
const CORRECT: Choice = { id: "correct", label: "Commit this instead", wants: "calls" };
/** Offered where a budget refused a call: a person may have raised it. */
const RETRY: Choice = { id: "retry", label: "Try again from the start, now that there is budget" };
const DISCARD: Choice = { id: "discard", label: "Change nothing; I will see to it" };

/**
 * One card for a whole change set. Committing as staged is offered only where no rule forbids it, trying
 * again where a budget was in the way.
 */
export function buildCard(
  agent: Agent,
  input: unknown,
  attempt: AttemptRecord,
  because: readonly string[],
  overBudget = false,
): Card {
  const { title, text } = agent.present(input);
  const wishes = attempt.verdicts.flatMap(({ wish, kind }) =>
    wish === undefined ? [] : [{ what: wish, done: kind === "pass" }],
  );
  const committable = attempt.diff.length > 0 && forbidden(agent, attempt).length === 0;
  return {
    title,
    about: text.length > ABOUT_CHARS_MAX ? `${text.slice(0, ABOUT_CHARS_MAX)}…` : text,
    because,
    ...(wishes.length === 0 ? {} : { wishes }),
    changes: cardChanges(attempt.diff),
    calls: attempt.calls.map(({ tool, input: args }) => ({ tool, input: args })),
    choices: [...(committable ? [COMMIT] : []), ...(overBudget ? [RETRY] : []), ...[CORRECT, DISCARD]],
  };
}

/** What an attempt breaks that not even a person may overrule. */
export function forbidden(agent: Agent, attempt: Pick<AttemptRecord, "verdicts">): readonly string[] {
  const overruled = new Set(
    [...agent.checks, ...(agent.verifiers ?? [])]
      .filter((check) => check.overrule === "person")
      .map((check) => check.name),
  );
  return attempt.verdicts.flatMap((verdict) =>
    verdict.kind === "fail" && !overruled.has(verdict.check) ? [`${verdict.check}: ${verdict.because}`] : [],
  );
}

/** A diff as cards carry it. */
function cardChanges(diff: Diff): readonly CardChange[] {
  return diff.map(({ kind, table, key, fields }) => ({ kind, table, key, fields }));
}
