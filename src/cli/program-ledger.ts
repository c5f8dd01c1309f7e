import { type Command, Option } from "commander";
import { type BudgetTerms, marginKeys, type MarginKey, parseEntryId, parseUsd } from "../server/index.ts";
import type { Command as Work } from "./command.ts";
import { type Filter, filtered, filterOf } from "./ledger-filter.ts";
import {
  budgetsCommand,
  ledgerEntriesCommand,
  ledgerMarginsCommand,
  ledgerSummaryCommand,
  setBudgetCommand,
} from "./ledger.ts";
import { addAccounts } from "./program-accounts.ts";
import { addEconomics } from "./program-economics.ts";
import { addReports } from "./program-reports.ts";

type Terms = {
  readonly cap: boolean;
  readonly soft?: string | false;
  readonly beyondSoft?: "warn" | "degrade";
  readonly period?: "ever" | "hour" | "day" | "month";
};

const LIST_DEFAULT = 50;

/**
 * Adds what the ledger is asked with, and budgets are set with.
 *
 * @param count parses the option `--limit`
 */
export function addLedger(
  program: Command,
  choose: (work: Work) => void,
  count: (text: string) => number,
): void {
  const ledger = program
    .command("ledger")
    .description("tell what work cost and earned, and from which entries");
  filtered(
    ledger.command("summary", { isDefault: true }).description("value, cost, margin and tokens"),
  ).action((filter: Filter) => choose(ledgerSummaryCommand(filterOf(filter))));
  filtered(ledger.command("entries").description("list entries as they were booked, oldest first"))
    .option("--after <entry>", "only those after this one")
    .option("--limit <count>", "how many", count, LIST_DEFAULT)
    .action(({ after, limit, ...filter }: Filter & { after?: string; limit: number }) =>
      choose(ledgerEntriesCommand(filterOf(filter), { limit, ...(after && { after: parseEntryId(after) }) })),
    );
  filtered(ledger.command("margins").description("value less cost, and the cost of what was resolved"))
    .addOption(new Option("--by <key>", "one line for each").choices(marginKeys).default("agent"))
    .action(({ by, ...filter }: Filter & { by: MarginKey }) =>
      choose(ledgerMarginsCommand(by, filterOf(filter))),
    );
  ledger
    .command("budgets")
    .description("list budgets: what is spent, held and left, and when that will be gone")
    .argument("[below]", "only this one and those below it")
    .action((below: string | undefined) => choose(budgetsCommand(below)));
  addAccounts(ledger, choose, count);
  addReports(ledger, choose);
  addEconomics(ledger, choose);
  program
    .command("budget")
    .description("change a budget, at work in every process from the next model call on")
    .command("set")
    .description("make or change a budget: company, company/TENANT, company/TENANT/AGENT, or models/MODEL")
    .argument("<name>", "its place in the tree; the tenant of one business is default")
    .argument("[usd]", "its cap in US dollars, such as 5.00; without it the cap stays")
    .option("--no-cap", "take the cap away")
    .option("--soft <usd>", "warn, or degrade, beyond this")
    .option("--no-soft", "take the soft limit away")
    .addOption(new Option("--beyond-soft <what>", "what then happens").choices(["warn", "degrade"]))
    .addOption(new Option("--period <period>", "how long it lasts").choices(["ever", "hour", "day", "month"]))
    .action((name: string, usd: string | undefined, options: Terms) =>
      choose((setting) => setBudgetCommand(name, termsOf(usd, options))(setting)),
    );
}

function termsOf(usd: string | undefined, { cap, soft, beyondSoft, period }: Terms): BudgetTerms {
  return {
    ...(usd !== undefined && { cap: parseUsd(usd) }),
    ...(!cap && { cap: null }),
    ...(soft !== undefined && { soft: soft === false ? null : parseUsd(soft) }),
    ...(beyondSoft !== undefined && { beyondSoft }),
    ...(period !== undefined && { period }),
  };
}
