import type { ClauseOf } from "./agreement.ts";
import { type Book, openBook } from "./book.ts";
import { termOf } from "./in-force.ts";
import type { AgreementFacts } from "./settle.ts";
import { matches } from "./matching.ts";
import { wordingAt } from "./verified.ts";
import { instantOf, type Moment, moment, momentText, never } from "./when.ts";

/** The way on which a model reaches those who use it. */
export type Channel = {
  /** Whose machines answer: `azure`, `aws`, `own`. */
  readonly cloud: string;
  /** The kind of access: `stateless-api`, `stateful-api`, `app`, `open-weights`, `device`. */
  readonly api: string;
  readonly region: string;
};

/** A clause that stands in the way. */
export type Refusal = {
  readonly agreement: string;
  readonly version: number;
  readonly clause: string;
  /** The clause as the parties wrote it. */
  readonly text: string;
  /** When it ends as far as is known, an instant; null when no date ends it. */
  readonly until: string | null;
  /** The event whose verification ends it before; null when none does. */
  readonly event: string | null;
  /** One sentence that says what is forbidden, by which clause, and until when. */
  readonly because: string;
};

/** Whether a model may be served: refusals name every clause that forbids it. */
export type ServeDecision =
  | { readonly kind: "allowed" }
  | { readonly kind: "refused"; readonly refusals: readonly [Refusal, ...Refusal[]] };

/** What is asked: may this model be served on this channel at this instant? */
export type ServeQuestion = { readonly model: string; readonly channel: Channel; readonly at: string };

/**
 * Whether any agreement, as known at `knownAt`, forbids to serve a model: an exclusive licence does that has
 * the model, the kind of access and the region in its scope and not the cloud in its list. What no exclusive
 * licence speaks of is free. Pure; agreements of which no version was known then say nothing.
 *
 * @param knownAt an instant
 * @throws {TermsError} for facts that contradict each other, as `computeSettlement` does
 */
export function judgeServing(
  agreements: readonly AgreementFacts[],
  question: ServeQuestion,
  knownAt: string,
): ServeDecision {
  const known = moment(knownAt, "UTC");
  const refusals = agreements
    .filter((facts) => facts.versions.some((one) => moment(one.knownAt, "UTC") <= known))
    .flatMap((facts) => refusalsIn(openBook(facts.versions, facts.events, known), question))
    .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  const [first, ...others] = refusals;
  return first === undefined ? { kind: "allowed" } : { kind: "refused", refusals: [first, ...others] };
}

function keyOf(refusal: Refusal): string {
  return JSON.stringify([refusal.agreement, refusal.clause]);
}

function refusalsIn(book: Book, question: ServeQuestion): Refusal[] {
  const at = instantOf(question.at);
  const wording = wordingAt(book, at);
  if (wording === null) return [];
  return wording.terms.clauses.flatMap((clause) => {
    if (clause.kind !== "licence" || !forbids(clause, question)) return [];
    const term = termOf(book, clause);
    return at < term.from || at >= term.to
      ? []
      : [refusalOf(book, wording.version, { clause, ends: term.to, question })];
  });
}

function forbids(clause: ClauseOf<"licence">, { model, channel }: ServeQuestion): boolean {
  return (
    clause.exclusive &&
    matches(clause.models, model) &&
    matches(clause.apis, channel.api) &&
    matches(clause.regions, channel.region) &&
    !matches(clause.clouds, channel.cloud)
  );
}

function refusalOf(
  book: Book,
  version: number,
  found: { readonly clause: ClauseOf<"licence">; readonly ends: Moment; readonly question: ServeQuestion },
): Refusal {
  const { clause, question } = found;
  const { model, channel } = question;
  const until = found.ends === never ? null : momentText(found.ends);
  const event = clause.until?.event ?? null;
  const ends = [
    ...(until === null ? [] : [`until ${until}`]),
    ...(event === null ? [] : [`until ${event} is verified`]),
  ].join(" or ");
  return {
    ...{ agreement: book.agreement, version, clause: clause.id, text: clause.text, until, event },
    because:
      `${model} may not be served as ${channel.api} on ${channel.cloud} in ${channel.region}: ` +
      `clause ${clause.id} of ${book.agreement} (version ${version}) leaves that to ` +
      `${clause.clouds.join(", ")}${ends === "" ? "" : ` ${ends}`}`,
  };
}
