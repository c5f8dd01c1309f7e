/** The JSON of reports that the HTTP API and the CLI's `--json` share: money is exact decimal text in USD. */
import { type CohortMonth, type KeptLine, usdText } from "../reports/index.ts";
import type { Reconciled } from "./reports.ts";

/** A bill laid beside the ledger as JSON. */
export function reconciliationJson({ bills, covers, billed, booked, ...found }: Reconciled) {
  return {
    bills,
    covers: covers.map(({ from, to }) => ({ from: from.toISOString(), to: to.toISOString() })),
    ...{ lines: found.lines, calls: found.calls, agreed: found.agreed, kept: found.kept },
    billedUsd: billed === null ? null : usdText(billed),
    bookedUsd: usdText(booked),
    differenceUsd: billed === null ? null : usdText(billed.minus(booked)),
    differences: found.differences.map(({ amount, ...one }) => ({ ...one, amountUsd: usdText(amount) })),
    losses: { calls: found.losses.calls, amountUsd: usdText(found.losses.amount) },
  };
}

/** What providers said of a call as JSON. */
export function keptLineJson({ keptAt, ...line }: KeptLine) {
  return { ...line, keptAt: keptAt.toISOString() };
}

/** A month of a cohort as JSON. */
export function cohortJson({ value, cost, margin, ...plain }: CohortMonth) {
  return {
    ...plain,
    ...{ valueMicroUsd: String(value), costMicroUsd: String(cost), marginMicroUsd: String(margin) },
  };
}
