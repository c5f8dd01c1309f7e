import { canonicalJson, must, toJson } from "../kernel/index.ts";
import type { Agreement, AgreementVersion, Clause, ClauseOf } from "./agreement.ts";
import { sidesOf } from "./agreement.ts";
import { refuseTerms } from "./errors.ts";
import type { EventOf, KnownEvent, TermEvent, TermEventKind } from "./event.ts";
import { type Moment, moment } from "./when.ts";

/** One wording of an agreement with the moment from which it holds. */
export type Wording = { readonly version: number; readonly from: Moment; readonly terms: Agreement };

/** All that is known of one agreement at one time, in an order that does not depend on how it was learned. */
export type Book = {
  readonly agreement: string;
  /** The first version: zone, period, currency and rounding are the same in all of them. */
  readonly frame: Agreement;
  /** By version. */
  readonly wordings: readonly Wording[];
  /** The facts of one kind, by id. */
  readonly of: <Kind extends TermEventKind>(kind: Kind) => readonly EventOf<Kind>[];
  /** Refunds and restatements of one revenue, by id. */
  readonly changesOf: (revenue: string) => readonly Change[];
};

/** A refund or a restatement, and when it is dated. */
export type Change = { readonly event: EventOf<"refund"> | EventOf<"restatement">; readonly at: Moment };

const FRAME = ["zone", "period", "currency", "digits", "rounding", "proration", "fx", "netting"] as const;

/**
 * Opens the book of an agreement as it was known at a time: later versions and facts are not in it, and what
 * was told twice is in it once.
 *
 * @throws {TermsError} `agreement-unknown` when no version was known then; `event-conflict` and `version-
 * conflict` when one id or number was told with two contents; `version-missing` and `frame-changed` as for
 * `checkVersions`
 */
export function openBook(
  versions: readonly AgreementVersion[],
  events: readonly KnownEvent[],
  knownAt: Moment,
): Book {
  const known = dedupe(versions.filter((one) => momentOf(one) <= knownAt));
  const agreement = known[0]?.agreement;
  if (agreement === undefined) {
    throw refuseTerms(
      "agreement-unknown",
      "no version of this agreement was known at that time; record one first",
    );
  }
  checkVersions(known);
  const frame = must(known[0], "the first version").terms;
  const facts = Map.groupBy(
    dedupeEvents(events.filter((one) => momentOf(one) <= knownAt)),
    (one) => one.kind,
  );
  const changes = Map.groupBy([...facts.values()].flat().flatMap(changeOf), ({ event }) => event.of);
  return {
    agreement,
    frame,
    wordings: known.map(({ version, effectiveFrom, terms }) => ({
      version,
      terms,
      from: moment(effectiveFrom, frame.zone),
    })),
    of: <Kind extends TermEventKind>(kind: Kind) =>
      (facts.get(kind) ?? []) as unknown as readonly EventOf<Kind>[],
    changesOf: (revenue) => changes.get(revenue) ?? [],
  };
}

function changeOf(event: TermEvent): Change[] {
  if (event.kind !== "refund" && event.kind !== "restatement") return [];
  return [{ event, at: moment(event.at, "UTC") }];
}

function momentOf(fact: { readonly knownAt: string }): Moment {
  return moment(fact.knownAt, "UTC");
}

function dedupe(versions: readonly AgreementVersion[]): AgreementVersion[] {
  const kept = new Map<number, AgreementVersion>();
  for (const one of versions) {
    const other = kept.get(one.version);
    if (other !== undefined && wordsOf(other) !== wordsOf(one)) {
      throw refuseTerms(
        "version-conflict",
        `version ${one.version} of ${one.agreement} was recorded with two contents`,
      );
    }
    kept.set(one.version, one);
  }
  return [...kept.values()].sort((left, right) => left.version - right.version);
}

function wordsOf(one: AgreementVersion): string {
  const { knownAt: _, ...words } = one;
  return canonicalJson(toJson(words));
}

/** Events once each, by id. @throws {TermsError} `event-conflict` when one id was told with two contents */
function dedupeEvents(events: readonly KnownEvent[]): TermEvent[] {
  const kept = new Map<string, TermEvent>();
  for (const { event } of events) {
    const other = kept.get(event.id);
    if (other !== undefined && canonicalJson(toJson(other)) !== canonicalJson(toJson(event))) {
      throw refuseTerms(
        "event-conflict",
        `event ${event.id} was told with two contents; give the second its own id`,
      );
    }
    kept.set(event.id, event);
  }
  return [...kept.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
}

/**
 * What no amendment may do: leave a gap in the numbers, change zone, period, currency or rounding, or turn a
 * clause into another one. Such a change is a new agreement, or a new clause.
 *
 * @param versions of one agreement, by number
 * @throws {TermsError} `version-missing`, `frame-changed` or `clause-changed`
 */
export function checkVersions(versions: readonly AgreementVersion[]): void {
  const clauses = new Map<string, Clause>();
  const first = versions[0];
  for (const [at, { agreement, version, terms }] of versions.entries()) {
    if (version !== at + 1) {
      throw refuseTerms(
        "version-missing",
        `version ${at + 1} of ${agreement} is missing: record it before ${version}`,
      );
    }
    const changed = FRAME.filter((field) => terms[field] !== first?.terms[field]);
    if (changed.length > 0) {
      throw refuseTerms(
        "frame-changed",
        `version ${version} of ${agreement} changes ${changed.join(", ")}: that takes a new agreement`,
      );
    }
    for (const clause of terms.clauses) {
      const before = clauses.get(clause.id) ?? clause;
      if (identityOf(before) !== identityOf(clause)) {
        throw refuseTerms(
          "clause-changed",
          `version ${version} of ${agreement} changes the kind or the parties of ${clause.id}: ` +
            "end it and add a clause with a new id",
        );
      }
      clauses.set(clause.id, clause);
    }
  }
}

function identityOf(clause: Clause): string {
  const sides = sidesOf(clause);
  return JSON.stringify([clause.kind, sides?.from, sides?.to]);
}

/** The ids of all clauses that any version has, in order. */
export function clauseIds(book: Book): readonly string[] {
  return [...new Set(book.wordings.flatMap(({ terms }) => terms.clauses.map((clause) => clause.id)))].sort();
}

/** A clause as the last version that has it says. */
export function lastWording(book: Book, id: string): Clause {
  const found = book.wordings
    .flatMap(({ terms }) => terms.clauses.filter((clause) => clause.id === id))
    .at(-1);
  return must(found, `clause ${id}`);
}

/** Narrows a clause to its kind, which `checkVersions` keeps the same for one id. */
export function isOf<Kind extends Clause["kind"]>(clause: Clause, kind: Kind): clause is ClauseOf<Kind> {
  return clause.kind === kind;
}
