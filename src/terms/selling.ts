import { canonicalJson, defaultTenant, must, type TenantId, toJson } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { refuseTerms } from "./errors.ts";
import { exactText } from "./exact.ts";
import {
  type ClosedInvoice,
  computeInvoice,
  type Invoice,
  invoiceText,
  openFacts,
  type SubscriptionFacts,
} from "./invoice.ts";
import { meter } from "./metering.ts";
import { type PlanInput, planSchema, type PlanVersion } from "./plan.ts";
import { clockPassed, instantSql, knowledgeAt, lockFacts } from "./read.ts";
import { type KnownSoldEvent, type SoldEventInput, soldEventSchema } from "./sold-event.ts";
import { instantOf, moment } from "./when.ts";

/** Events that one call may bring. */
const EVENTS_MAX = 10_000;

/**
 * Records a version of a plan; the same again changes nothing. Writes factotum.plans.
 *
 * @returns whether it was new
 * @throws {TermsError} `plan-invalid` saying what is wrong where; `plan-conflict` when that version says
 * something else; `version-missing` when an earlier one is not there
 */
export async function recordPlan(
  tx: Transaction,
  given: {
    readonly tenant?: TenantId;
    readonly plan: string;
    readonly version: number;
    readonly terms: PlanInput;
  },
): Promise<boolean> {
  const { plan, version, tenant = defaultTenant } = given;
  const parsed = planSchema.safeParse(given.terms);
  if (!parsed.success) {
    const said = parsed.error.issues.map((issue) => `${issue.path.join(".") || "plan"}: ${issue.message}`);
    throw refuseTerms("plan-invalid", `plan ${plan} cannot be recorded: ${said.join("; ")}`);
  }
  await lockFacts(tx, tenant, "write");
  const kept = (await readPlans(tx, tenant)).filter((one) => one.plan === plan);
  const same = kept.find((one) => one.version === version);
  const text = canonicalJson(toJson(parsed.data));
  if (same !== undefined) {
    if (canonicalJson(toJson(same.terms)) === text) return false;
    throw refuseTerms("plan-conflict", `version ${version} of plan ${plan} is recorded with another content`);
  }
  if (version !== kept.length + 1) {
    throw refuseTerms(
      "version-missing",
      `the next version of plan ${plan} is ${kept.length + 1}, not ${version}`,
    );
  }
  await tx.query("insert into factotum.plans (tenant, plan, version, terms) values ($1, $2, $3, $4)", [
    ...[tenant, plan, version, text],
  ]);
  return true;
}

/**
 * Records what happened to subscriptions; a fact told again changes nothing. Writes
 * factotum.subscription_events.
 *
 * @returns how many were new
 * @throws {TermsError} `event-invalid` saying what is wrong where; `event-conflict` when an id was told
 * before with another content: nothing of the call is kept; `events-too-many` for more than 10,000
 */
export async function recordSold(
  tx: Transaction,
  events: readonly SoldEventInput[],
  tenant: TenantId = defaultTenant,
): Promise<number> {
  if (events.length > EVENTS_MAX) {
    throw refuseTerms(
      "events-too-many",
      `${events.length} events at once are more than ${EVENTS_MAX}: send fewer`,
    );
  }
  const parsed = events.map((event) => {
    const { data, error } = soldEventSchema.safeParse(event);
    if (data !== undefined) return data;
    const said = error.issues.map((issue) => `${issue.path.join(".") || "event"}: ${issue.message}`);
    throw refuseTerms("event-invalid", `an event cannot be recorded: ${said.join("; ")}`);
  });
  await lockFacts(tx, tenant, "write");
  const told = [
    ...[parsed.map((event) => event.id), parsed.map((event) => event.subscription)],
    ...[parsed.map((event) => event.kind), parsed.map((event) => canonicalJson(toJson(event)))],
  ];
  const { rowCount } = await tx.query(
    `insert into factotum.subscription_events (tenant, id, subscription, kind, body)
     select $1, told.id, told.subscription, told.kind, told.body::json
     from unnest($2::text[], $3::text[], $4::text[], $5::text[])
       with ordinality as told (id, subscription, kind, body, place) order by told.place
     on conflict do nothing`,
    [tenant, ...told],
  );
  const { rows } = await tx.query<{ id: string }>(
    `select told.id from unnest($2::text[], $3::text[]) as told (id, body)
     left join factotum.subscription_events e on e.tenant = $1 and e.id = told.id
     where e.body::text is distinct from told.body limit 1`,
    [tenant, told[0], told[3]],
  );
  const [conflict] = rows;
  if (conflict === undefined) return rowCount;
  throw refuseTerms(
    "event-conflict",
    `event ${conflict.id} was recorded with another content, or begins what has begun; facts do not change`,
  );
}

/** Whose subscription is asked about, as known when; without `knownAt`, as known by now. */
export type SubscriptionQuestion = {
  readonly tenant?: TenantId;
  readonly subscription: string;
  /** An instant that has passed. */
  readonly knownAt?: string;
};

/**
 * The invoice of a subscription for a period, from the facts in Postgres. Reads only.
 *
 * @throws {TermsError} as `computeInvoice` does, and `knowledge-unknown` for a time that has not passed
 */
export async function invoiceOf(
  tx: Transaction,
  question: SubscriptionQuestion & { readonly period: string },
): Promise<{ readonly knownAt: string; readonly invoice: Invoice }> {
  const tenant = question.tenant ?? defaultTenant;
  await lockFacts(tx, tenant, "read");
  const knownAt = await knowledgeAt(tx, tenant, question.knownAt);
  const facts = await readSubscription(tx, tenant, question.subscription);
  return { knownAt, invoice: computeInvoice(facts, question.period, knownAt) };
}

/**
 * Closes the first open invoice of a subscription, when its period has ended: it stands as it is for ever.
 * One that is closed is returned as it is. Writes factotum.invoices.
 *
 * @throws {TermsError} `period-not-first` when an earlier one is open, `period-running` before it has ended
 */
export async function closeInvoice(
  tx: Transaction,
  asked: { readonly tenant?: TenantId; readonly subscription: string; readonly period: string },
): Promise<ClosedInvoice> {
  const { subscription, period, tenant = defaultTenant } = asked;
  await lockFacts(tx, tenant, "write");
  const knownAt = await knowledgeAt(tx, tenant);
  const facts = await readSubscription(tx, tenant, subscription);
  const kept = facts.closed.find((one) => one.invoice.period === period);
  if (kept !== undefined) return kept;
  const invoice = computeInvoice(facts, period, knownAt);
  const open = openFacts(facts, moment(knownAt, "UTC")).open.name;
  if (open !== period) {
    throw refuseTerms(
      "period-not-first",
      `subscription ${subscription} is open since ${open}: close that first`,
    );
  }
  if (!(await clockPassed(tx, invoice.to))) {
    throw refuseTerms(
      "period-running",
      `${period} of ${subscription} runs until ${invoice.to}: close it then`,
    );
  }
  await tx.query(
    `insert into factotum.invoices (tenant, subscription, ordinal, period, from_at, to_at, invoice)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      ...[tenant, subscription, facts.closed.length + 1, period, invoice.from, invoice.to],
      invoiceText(invoice),
    ],
  );
  return must((await readSubscription(tx, tenant, subscription)).closed.at(-1), "the invoice just closed");
}

/** What is left on a meter: exact units as text. */
export type Allowance = { readonly knownAt: string; readonly included: string; readonly credits: string };

/**
 * What is left at an instant of what an item includes for the period, and of credits bought: what a caller
 * may still consume before it is billed, or refused. Reads only.
 *
 * @throws {TermsError} `subscription-unknown`, `plan-unknown`, `knowledge-unknown`
 */
export async function allowanceLeft(
  tx: Transaction,
  question: SubscriptionQuestion & { readonly item: string; readonly at: string },
): Promise<Allowance> {
  const tenant = question.tenant ?? defaultTenant;
  await lockFacts(tx, tenant, "read");
  const knownAt = await knowledgeAt(tx, tenant, question.knownAt);
  const facts = await readSubscription(tx, tenant, question.subscription);
  const { subscription } = openFacts(facts, moment(knownAt, "UTC"));
  const { state } = meter(subscription, question.item, instantOf(question.at));
  return { knownAt, included: exactText(state.includedLeft), credits: exactText(state.creditsLeft) };
}

async function readPlans(tx: Transaction, tenant: TenantId): Promise<readonly PlanVersion[]> {
  const { rows } = await tx.query<PlanVersion>(
    "select plan, version, terms from factotum.plans where tenant = $1 order by plan, version",
    [tenant],
  );
  return rows;
}

async function readSubscription(
  tx: Transaction,
  tenant: TenantId,
  subscription: string,
): Promise<SubscriptionFacts> {
  const events = await tx.query<KnownSoldEvent>(
    `select body as event, ${instantSql("known_at")} as "knownAt" from factotum.subscription_events
     where tenant = $1 and subscription = $2 order by id`,
    [tenant, subscription],
  );
  const closed = await tx.query<ClosedInvoice>(
    `select ordinal, invoice, ${instantSql("known_at")} as "knownAt" from factotum.invoices
     where tenant = $1 and subscription = $2 order by ordinal`,
    [tenant, subscription],
  );
  const plans = await readPlans(tx, tenant);
  return { subscription, plans, events: events.rows, closed: closed.rows };
}
