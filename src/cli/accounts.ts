import {
  type AccountFilter,
  accountJson,
  auditJson,
  type PostingPage,
  postingJson,
} from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTable } from "./render-table.ts";
import { renderTime } from "./render-time.ts";

const right = (title: string) => ({ title, align: "right" as const });
const left = (title: string) => ({ title });

/** Lists balances of accounts, in every unit. */
export function accountsCommand(filter: AccountFilter): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const accounts = (await ledger.accounts(filter)).map(accountJson);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ accounts });
      else if (accounts.length === 0) terminal.out("nothing is booked");
      else {
        const rows = accounts.map(({ account, unit, debits, credits, balance }) => [
          ...[cleanLine(account), cleanLine(unit), debits, credits, balance],
        ]);
        const columns = [left("account"), left("unit"), ...["debits", "credits", "balance"].map(right)];
        terminal.out(renderTable(columns, rows, terminal));
      }
      return exitCodes.ok;
    });
}

/** Adds up all accounts and looks at all kept balances; ends with an error where anything does not add up. */
export function trialBalanceCommand(): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const found = auditJson(await ledger.trialBalance());
      const { units, balancesOff, budgetsOff } = found;
      const { terminal } = setting;
      if (terminal.json) terminal.result(found);
      else {
        const rows = units.map(({ unit, accounts, debits, credits, balance }) => [
          ...[cleanLine(unit), String(accounts), debits, credits, balance],
        ]);
        const columns = [left("unit"), ...["accounts", "debits", "credits", "balance"].map(right)];
        terminal.out(units.length === 0 ? "nothing is booked" : renderTable(columns, rows, terminal));
      }
      for (const { account, unit, hour, closed, sum } of terminal.json ? [] : balancesOff) {
        const said = `${account} in ${unit} was closed at ${hour} as ${closed ?? "nothing"}`;
        terminal.out(cleanLine(`${said}, and what was booked is ${sum ?? "nothing"}`));
      }
      for (const { name, what, balance, sum } of terminal.json ? [] : budgetsOff) {
        terminal.out(cleanLine(`budget ${name} has ${balance} ${what}, and the rows behind it are ${sum}`));
      }
      const isOff = balancesOff.length + budgetsOff.length > 0;
      return !isOff && units.every(({ balance }) => balance === "0") ? exitCodes.ok : exitCodes.failed;
    });
}

/** Lists the bookings behind the balances of an account and all below it. */
export function postingsCommand(filter: AccountFilter, page: PostingPage): Command {
  return (setting) =>
    withFactotum(setting, async ({ ledger }) => {
      const postings = (await ledger.postings(filter, page)).map(postingJson);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ postings });
      else if (postings.length === 0) terminal.out("nothing is booked");
      else {
        const rows = postings.map(({ of, id, at, account, against, amount, unit, because }) => [
          ...[`${of} ${id}`, renderTime(new Date(at)), cleanLine(account), cleanLine(against), amount],
          ...[cleanLine(unit), cleanLine(because ?? "-")],
        ]);
        const names = ["booking", "at", "account", "against"].map(left);
        const columns = [...names, right("amount"), left("unit"), left("because")];
        terminal.out(renderTable(columns, rows, terminal));
      }
      const last = postings.at(-1);
      if (postings.length >= page.limit && last !== undefined) {
        terminal.note(`the first ${postings.length}; more with --after "${last.of} ${last.id}"`);
      }
      return exitCodes.ok;
    });
}
