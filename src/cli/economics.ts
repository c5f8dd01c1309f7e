import {
  type CohortKey,
  cohortJson,
  type LedgerFilter,
  type PersonTime,
  type WhatIfQuestion,
} from "../server/index.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
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
      const columns = ["price", "demanded", "served", "revenue", "cost", "margin"].map(right);
      const rows = found.outcomes.map((one) => [
        ...[one.price, one.demanded, one.capped ? `${one.served} (all there is)` : one.served],
        ...[one.revenue, one.cost, one.margin],
      ]);
      if (terminal.json) terminal.result(found);
      else terminal.out(renderTable(columns, rows, terminal));
      return exitCodes.ok;
    });
}
