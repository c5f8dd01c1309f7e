import { defaultTenant, must, type TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Agreement } from "./agreement.ts";
import { openBook } from "./book.ts";
import { refuseTerms } from "./errors.ts";
import type { KnownEvent } from "./event.ts";
import {
  clockPassed,
  instantSql,
  knowledgeAt,
  lockFacts,
  readAllVersions,
  readClosed,
  readEvents,
  readFacts,
} from "./read.ts";
import { judgeServing, type ServeDecision, type ServeQuestion } from "./serving.ts";
import { type AgreementFacts, computeSettlement } from "./settle.ts";
import { type ClosedSettlement, type Settlement, settlementText } from "./settlement.ts";
import { type Verification, verifications, wordingAt } from "./verified.ts";
import { instantOf, moment, momentText } from "./when.ts";

/** Whose agreement is asked about, as known when; without `knownAt`, as known by now. */
export type AgreementQuestion = {
  readonly tenant?: TenantId;
  readonly agreement: string;
  /** An instant that has passed. */
  readonly knownAt?: string;
};

/**
 * A settlement, and the time as of which it is known: asked again with that time, it is the same
 * for ever.
 */
export type KnownSettlement = { readonly knownAt: string; readonly settlement: Settlement };

/**
 * Who owes whom for a period, from the facts in Postgres. Reads only.
 *
 * @throws {TermsError} as `computeSettlement` does, and `knowledge-unknown` for a time that has not passed
 */
export async function settlementOf(
  tx: Transaction,
  question: AgreementQuestion & { readonly period: string },
): Promise<KnownSettlement> {
  const tenant = question.tenant ?? defaultTenant;
  await lockFacts(tx, tenant, "read");
  const knownAt = await knowledgeAt(tx, tenant, question.knownAt);
  const facts = await readFacts(tx, tenant, question.agreement, knownAt);
  return { knownAt, settlement: computeSettlement(facts, question.period, knownAt) };
}

/**
 * Closes the first open period of an agreement: what it comes to as known now stands for ever, and what is
 * learned later corrects the next one. A period that is closed is returned as it is. Writes
 * factotum.closed_periods.
 *
 * @throws {TermsError} `period-not-first` when an earlier one is open, `period-running` before it has ended
 */
export async function closePeriod(
  tx: Transaction,
  asked: { readonly tenant?: TenantId; readonly agreement: string; readonly period: string },
): Promise<ClosedSettlement> {
  const tenant = asked.tenant ?? defaultTenant;
  await lockFacts(tx, tenant, "write");
  const knownAt = await knowledgeAt(tx, tenant);
  const facts = await readFacts(tx, tenant, asked.agreement, knownAt);
  const kept = facts.closed.find((one) => one.settlement.period === asked.period);
  if (kept !== undefined) return kept;
  const settlement = computeSettlement(facts, asked.period, knownAt);
  await checkClosing(tx, settlement, facts.closed.at(-1)?.settlement.to ?? firstInstant(facts));
  await tx.query(
    `insert into factotum.closed_periods (tenant, agreement, ordinal, period, from_at, to_at, settlement)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      ...[tenant, asked.agreement, facts.closed.length + 1, settlement.period],
      ...[settlement.from, settlement.to, settlementText(settlement)],
    ],
  );
  return must((await readClosed(tx, tenant, asked.agreement)).at(-1), "the settlement just closed");
}

function firstInstant({ versions }: Parameters<typeof computeSettlement>[0]): string {
  const { terms } = must(versions[0], "the first version");
  return momentText(moment(terms.from, terms.zone));
}

async function checkClosing(tx: Transaction, settlement: Settlement, open: string): Promise<void> {
  const { agreement, period, from, to } = settlement;
  if (moment(from, "UTC") > moment(open, "UTC")) {
    throw refuseTerms(
      "period-not-first",
      `${agreement} is open since ${open}: close what ends before ${period} first`,
    );
  }
  if (await clockPassed(tx, to)) return;
  throw refuseTerms(
    "period-running",
    `${period} of ${agreement} runs until ${to}: close it when it has ended`,
  );
}

/**
 * Whether a model may be served on a channel at a time, by all agreements of the tenant: the question to ask
 * before a call. Reads only.
 *
 * @throws {TermsError} `knowledge-unknown` for a time of knowledge that has not passed
 */
export async function mayServe(
  tx: Transaction,
  question: ServeQuestion & { readonly tenant?: TenantId; readonly knownAt?: string },
): Promise<ServeDecision> {
  const { facts, knownAt } = await servingFacts(tx, question.tenant, question.knownAt);
  return judgeServing(facts, question, knownAt);
}

/**
 * All that decides what may be served, to be judged by `judgeServing` as often as calls are made. Reads only.
 *
 * @throws {TermsError} `knowledge-unknown` for a time of knowledge that has not passed
 */
export async function servingFacts(
  tx: Transaction,
  tenant: TenantId = defaultTenant,
  knownBy?: string,
): Promise<{ readonly facts: readonly AgreementFacts[]; readonly knownAt: string }> {
  await lockFacts(tx, tenant, "read");
  const knownAt = await knowledgeAt(tx, tenant, knownBy);
  const agreements = await readAllVersions(tx, tenant);
  const events = await readEvents(tx, tenant, knownAt, ["declaration", "attestation"]);
  return { knownAt, facts: [...agreements.values()].map((versions) => ({ versions, events, closed: [] })) };
}

/** An agreement as it reads at a time, where its declared events stand, and what was closed. */
export type AgreementView = {
  readonly agreement: string;
  readonly knownAt: string;
  readonly version: number;
  readonly terms: Agreement;
  readonly verifications: readonly Verification[];
  readonly closed: readonly ClosedSettlement[];
};

/**
 * What held at `at`, as known at `knownAt`. Reads only.
 *
 * @throws {TermsError} `agreement-unknown` when none was known then, `agreement-not-begun` when none held yet
 */
export async function showAgreement(
  tx: Transaction,
  question: AgreementQuestion & { readonly at: string },
): Promise<AgreementView> {
  const tenant = question.tenant ?? defaultTenant;
  await lockFacts(tx, tenant, "read");
  const knownAt = await knowledgeAt(tx, tenant, question.knownAt);
  const facts = await readFacts(tx, tenant, question.agreement, knownAt);
  const known = moment(knownAt, "UTC");
  const book = openBook(facts.versions, facts.events, known);
  const wording = wordingAt(book, instantOf(question.at));
  if (wording === null) {
    throw refuseTerms("agreement-not-begun", `${question.agreement} did not hold at ${question.at} yet`);
  }
  return {
    ...{ agreement: question.agreement, knownAt, version: wording.version, terms: wording.terms },
    verifications: verifications(book),
    closed: facts.closed.filter((one) => moment(one.knownAt, "UTC") <= known),
  };
}

/** A fact by its id, as lines of settlements name it. @throws {TermsError} `event-unknown` */
export async function termEventOf(
  tx: Transaction,
  id: string,
  tenant: TenantId = defaultTenant,
): Promise<KnownEvent> {
  const { rows } = await tx.query<KnownEvent>(
    `select body as event, ${instantSql("known_at")} as "knownAt" from factotum.term_events
     where tenant = $1 and id = $2`,
    [tenant, id],
  );
  const [found] = rows;
  if (found !== undefined) return found;
  throw refuseTerms("event-unknown", `no fact ${JSON.stringify(id.slice(0, 200))} was recorded`);
}
