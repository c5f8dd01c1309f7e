/** The JSON of the ledger that the HTTP API and the CLI's `--json` share: money as text, in micro-USD. */
import type { Margin } from "../agents/index.ts";
import {
  type AccountBalance,
  type Entry,
  type Posting,
  type RepricedModel,
  type Sums,
  type TrialBalance,
  writtenAmount,
} from "../ledger/index.ts";
import type { BudgetLine, LedgerAudit, LedgerSummary } from "./ledger-door.ts";

const JOULE_DECIMALS = 3;

/** The sums of a part of the ledger as JSON, by model, with what routing saved. */
export function ledgerJson({ statement, routing }: LedgerSummary) {
  return {
    ...sumsJson(statement),
    runs: statement.runs,
    byModel: statement.byModel.map((one) => ({ model: one.model, ...sumsJson(one) })),
    routing: routing === null ? null : routingJson(routing),
  };
}

function sumsJson({ cost, loss, value, usage, millijoules, calls }: Sums) {
  return {
    ...{ costMicroUsd: String(cost), lossMicroUsd: String(loss), valueMicroUsd: String(value) },
    marginMicroUsd: String(value - cost - loss),
    ...{ tokens: tokensJson(usage), joules: joulesText(millijoules) },
    calls,
  };
}

function routingJson({ strongestCost, paid, saved, ...plain }: NonNullable<LedgerSummary["routing"]>) {
  return {
    ...plain,
    strongestCostMicroUsd: String(strongestCost),
    paidMicroUsd: String(paid),
    savedMicroUsd: String(saved),
  };
}

/** One booked row as JSON. */
export function entryJson({ amount, millijoules, usage, at, ...entry }: Entry) {
  return {
    ...{ ...entry, at: at.toISOString(), amountMicroUsd: String(amount) },
    ...{ joules: joulesText(millijoules), tokens: tokensJson(usage) },
  };
}

/** Joules in whole ones, as an exact decimal. */
export function joulesText(millijoules: bigint): string {
  return writtenAmount(millijoules, JOULE_DECIMALS);
}

/** One line of margins as JSON. */
export function marginJson({ value, cost, loss, margin, costPerResolved, ...plain }: Margin) {
  return {
    ...plain,
    ...{ valueMicroUsd: String(value), costMicroUsd: String(cost), lossMicroUsd: String(loss) },
    marginMicroUsd: String(margin),
    costPerResolvedMicroUsd: costPerResolved === null ? null : String(costPerResolved),
  };
}

/** One budget as JSON; the forecast is a plain rate over `rateSince` to now. */
export function budgetJson({ id, name, cap, soft, beyondSoft, period, held, spent, forecast }: BudgetLine) {
  return {
    ...{ id, name, period, beyondSoft },
    capMicroUsd: cap === null ? null : String(cap),
    softMicroUsd: soft === null ? null : String(soft),
    ...{ heldMicroUsd: String(held), spentMicroUsd: String(spent) },
    leftMicroUsd: cap === null ? null : String(cap - spent - held),
    forecast:
      forecast === null
        ? null
        : {
            rateSince: forecast.since.toISOString(),
            spentSinceMicroUsd: String(forecast.spentInWindow),
            capReachedAt: forecast.capReachedAt?.toISOString() ?? null,
            softReachedAt: forecast.softReachedAt?.toISOString() ?? null,
          },
  };
}

/** An account in one unit as JSON, in whole units as exact decimals. */
export function accountJson({ account, unit, kind, decimals, debits, credits }: AccountBalance) {
  return { account, unit, kind, ...sidesJson({ decimals, debits, credits }) };
}

/** All accounts added up as JSON, with what does not add up. */
export function auditJson({ units, balancesOff, budgetsOff }: LedgerAudit) {
  const off = balancesOff.map(({ hour, ...one }) => ({ ...one, hour: hour.toISOString() }));
  return { units: units.map(trialJson), balancesOff: off, budgetsOff };
}

function trialJson({ unit, accounts, ...sides }: TrialBalance) {
  return { unit, accounts, ...sidesJson(sides) };
}

function sidesJson({ decimals, debits, credits }: Pick<TrialBalance, "decimals" | "debits" | "credits">) {
  return {
    ...{ debits: writtenAmount(debits, decimals), credits: writtenAmount(credits, decimals) },
    balance: writtenAmount(debits - credits, decimals),
  };
}

/** One side of a booking as JSON. */
export function postingJson({ at, amount, decimals, ...posting }: Posting) {
  return { ...posting, at: at.toISOString(), amount: writtenAmount(amount, decimals) };
}

/** Calls at other prices as JSON, by model and together. */
export function repricedJson(models: readonly RepricedModel[]) {
  type Part = "booked" | "repriced" | "difference" | "millijoules" | "millijoulesThen";
  const sum = (part: Part): bigint => models.reduce((all, one) => all + one[part], 0n);
  return {
    models: models.map(({ booked, repriced, difference, millijoules, millijoulesThen, ...one }) => ({
      ...one,
      ...{ bookedMicroUsd: String(booked), repricedMicroUsd: String(repriced) },
      differenceMicroUsd: String(difference),
      ...{ joules: joulesText(millijoules), joulesThen: joulesText(millijoulesThen) },
    })),
    ...{ bookedMicroUsd: String(sum("booked")), repricedMicroUsd: String(sum("repriced")) },
    differenceMicroUsd: String(sum("difference")),
    ...{ joules: joulesText(sum("millijoules")), joulesThen: joulesText(sum("millijoulesThen")) },
  };
}

function tokensJson(usage: Sums["usage"]) {
  return Object.fromEntries(Object.entries(usage).map(([kind, count]) => [kind, String(count)]));
}
