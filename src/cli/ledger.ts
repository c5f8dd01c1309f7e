import {
  budgetJson,
  type BudgetTerms,
  entryJson,
  type EntryPage,
  type LedgerFilter,
  ledgerJson,
  marginJson,
  type MarginKey,
} from "../server/index.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderBudgets, renderEntries, renderLedger, renderMargins } from "./render-ledger.ts";

/** Tells what a part of the ledger comes to. */
export function ledgerSummaryCommand(filter: LedgerFilter): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const summary = await ledger.summary(filter);
      const { terminal } = setting;
      if (terminal.json) terminal.result(ledgerJson(summary));
      else terminal.out(renderLedger(summary, terminal));
      return exitCodes.ok;
    });
}

/** Lists entries as they were booked, oldest first. */
export function ledgerEntriesCommand(filter: LedgerFilter, page: EntryPage): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const entries = await ledger.entries(filter, page);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ entries: entries.map(entryJson) });
      else terminal.out(entries.length === 0 ? "nothing is booked" : renderEntries(entries, terminal));
      const last = entries.at(-1);
      if (entries.length === page.limit && last !== undefined) {
        terminal.note(`the first ${page.limit}; more with --after ${last.id}`);
      }
      return exitCodes.ok;
    });
}

/** Tells contribution margins. */
export function ledgerMarginsCommand(by: MarginKey, filter: LedgerFilter): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const lines = await ledger.margins(by, filter);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ by, margins: lines.map(marginJson) });
      else terminal.out(lines.length === 0 ? "nothing is booked" : renderMargins(by, lines, terminal));
      return exitCodes.ok;
    });
}

/** Lists budgets, with what is left and when it will be gone. */
export function budgetsCommand(below?: string): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const lines = await ledger.budgets(below);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ budgets: lines.map(budgetJson) });
      else
        terminal.out(
          lines.length === 0 ? "no budget: nothing holds runs back" : renderBudgets(lines, terminal),
        );
      return exitCodes.ok;
    });
}

/** Makes or changes a budget. */
export function setBudgetCommand(name: string, terms: BudgetTerms): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const line = await ledger.setBudget(name, terms);
      const { terminal } = setting;
      if (terminal.json) terminal.result(budgetJson(line));
      else terminal.out(renderBudgets([line], terminal));
      return exitCodes.ok;
    });
}
