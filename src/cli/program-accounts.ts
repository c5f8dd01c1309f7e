import type { Command } from "commander";
import { accountsCommand, postingsCommand, trialBalanceCommand } from "./accounts.ts";
import type { Command as Work } from "./command.ts";

type InUnit = { readonly unit?: string };

const LIST_DEFAULT = 50;

/** Adds double entry to the ledger's command: accounts, their sum, and the bookings behind each. */
export function addAccounts(
  ledger: Command,
  choose: (work: Work) => void,
  count: (text: string) => number,
): void {
  ledger
    .command("accounts")
    .description("balances in every unit: money, tokens by kind, joules, time")
    .argument("[account]", "only this one and those below it, such as expense")
    .option("--unit <unit>", "only this unit, such as USD or tokens.input")
    .action((account: string | undefined, options: InUnit) =>
      choose(accountsCommand({ ...options, ...(account !== undefined && { account }) })),
    );
  ledger
    .command("trial-balance")
    .description("add all accounts up and audit closed hours and budgets; ends with 1 where any is off")
    .action(() => choose(trialBalanceCommand()));
  ledger
    .command("postings")
    .description("the bookings that balances are the sum of, oldest first")
    .argument("[account]", "only this one and those below it")
    .option("--unit <unit>", "only this unit")
    .option("--after <booking>", 'only those after this one, such as "entry 17"')
    .option("--limit <count>", "how many", count, LIST_DEFAULT)
    .action(
      (account: string | undefined, { limit, after, unit }: InUnit & { after?: string; limit: number }) =>
        choose(
          postingsCommand(
            { ...(account !== undefined && { account }), ...(unit !== undefined && { unit }) },
            { limit, ...(after !== undefined && { after }) },
          ),
        ),
    );
}
