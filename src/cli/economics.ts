import {
  type CohortKey,
  cohortJson,
  type LedgerFilter,
  type PersonTime,
  repricedJson,
  type WhatIfQuestion,
} from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { readPrices } from "./prices.ts";
import { renderMoney } from "./render-money.ts";
import { renderTable } from "./render-table.ts";

const right = (title: string) => ({ title, align: "right" as const });

/** Tells what an hour of a person comes to, with agents and before. */
export function leverageCommand(time: PersonTime, filter: LedgerFilter): Command {
  return (setting) =>
    withFactotum(setting, async ({ economics }) => {
      const found = await economics.leverage(time, filter);
      const { terminal } = setting;
      const rows = [
        ["outcomes", String(found.outcomes)],
        ["of them nobody was asked about", String(found.alone)],
        ["answers of people", String(found.answers)],
        ["hours of people", found.personHours],
        ["outcomes per person-hour", found.outcomesPerHour ?? "no time was spent"],
        ["before", found.outcomesPerHourBefore],
        ["times as many", found.times ?? "-"],
      ];
      if (terminal.json) terminal.result(found);
      else terminal.out(renderTable([{ title: "" }, right("")], rows, terminal));
      return exitCodes.ok;
    });
}

/** Follows customers or agents from the month in which they were first booked. */
export function cohortsCommand(by: CohortKey, filter: LedgerFilter): Command {
  return (setting) =>
    withFactotum(setting, async ({ economics }) => {
      const found = await economics.cohorts(by, filter);
      const { terminal } = setting;
      const columns = [{ title: "since" }, { title: "month" }];
      const sums = ["active", "value", "cost", "margin"].map(right);
      const rows = found.map((one) => [
        ...[one.cohort, one.month, `${one.active} of ${one.size}`],
        ...[renderMoney(one.value), renderMoney(one.cost), renderMoney(one.margin)],
      ]);
      if (terminal.json) terminal.result({ by, cohorts: found.map(cohortJson) });
      else if (rows.length === 0) terminal.out("nothing is booked");
      else terminal.out(renderTable([...columns, ...sums], rows, terminal));
      return exitCodes.ok;
    });
}

/** Plays other prices through. */
export function whatIfCommand(question: WhatIfQuestion, filter: LedgerFilter): Command {
  return (setting) =>
    withFactotum(setting, async ({ economics }) => {
      const found = await economics.whatIf(question, filter);
      const { terminal } = setting;
      const { against } = found;
      const titles = ["price", "demanded", "served", "revenue", "cost", "margin"];
      const columns = [...titles, ...(against === null ? [] : ["cost the other way"])].map(right);
      const rows = found.outcomes.map((one, at) => [
        ...[one.price, one.demanded, one.capped ? `${one.served} (all there is)` : one.served],
        ...[one.revenue, one.cost, one.margin, ...(against === null ? [] : [against.costs[at] ?? "-"])],
      ]);
      if (terminal.json) terminal.result(found);
      else terminal.out(renderTable(columns, rows, terminal));
      if (against !== null) terminal.note(noDearerText(against.noDearer));
      return exitCodes.ok;
    });
}

function noDearerText(noDearer: "always" | "never" | { readonly fromUnits: string }): string {
  if (noDearer === "never") return "the other way is always cheaper";
  return noDearer === "always"
    ? "the other way is never cheaper"
    : `from ${noDearer.fromUnits} units on, the other way is no cheaper`;
}

/** What calls are priced anew by: the prices of a file, or as if all had been served so, or both. */
export type Repricing = { readonly file?: string; readonly service?: "live" | "batch" };

/** Tells what calls would have cost otherwise, beside what is booked, which stays. */
export function repriceCommand({ file, service }: Repricing, filter: LedgerFilter): Command {
  return (setting) =>
    withFactotum(setting, async ({ economics }) => {
      const asked = {
        ...(file !== undefined && { prices: readPrices(file) }),
        ...(service !== undefined && { service }),
      };
      const models = await economics.reprice(asked, filter);
      const { terminal } = setting;
      const found = repricedJson(models);
      const columns = [
        { title: "model" },
        ...["entries", "booked", "at these prices", "difference", "joules", "joules then"].map(right),
      ];
      const rows = models.map((one, at) => [
        ...[cleanLine(one.model), String(one.entries), renderMoney(one.booked)],
        ...[one.isRepriced ? renderMoney(one.repriced) : "as booked", renderMoney(one.difference)],
        ...[found.models[at]?.joules ?? "-", found.models[at]?.joulesThen ?? "-"],
      ]);
      const sums = [found.bookedMicroUsd, found.repricedMicroUsd, found.differenceMicroUsd];
      const joules = [found.joules, found.joulesThen];
      const last = ["all", "", ...sums.map((sum) => renderMoney(BigInt(sum))), ...joules];
      if (terminal.json) terminal.result(found);
      else if (models.length === 0) terminal.out("no call is booked");
      else terminal.out(renderTable(columns, [...rows, last], terminal));
      return exitCodes.ok;
    });
}
