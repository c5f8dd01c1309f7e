import { cleanLine } from "./clean-text.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { tracedLineJson } from "../server/index.ts";
import { renderInvoice, renderTracedLine } from "./render-invoice.ts";
import { renderSettlement, renderView } from "./render-terms.ts";

/** When a question about agreements is asked. */
export type WhenOptions = { readonly at?: string; readonly knownAt?: string };

/** Shows an agreement: its clauses at a time, where its declared events stand, what was closed. */
export function showAgreementCommand(agreement: string, when: WhenOptions): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const view = await factotum.terms.show(agreement, when);
      const { terminal } = setting;
      if (terminal.json) terminal.result(view);
      else terminal.out(renderView(view, terminal));
      return exitCodes.ok;
    });
}

/** Says who owes whom for a period, line by line. */
export function owedCommand(agreement: string, period: string, { knownAt }: WhenOptions): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const found = await factotum.terms.owed(agreement, period, knownAt);
      const { terminal } = setting;
      if (terminal.json) terminal.result(found);
      else terminal.out(renderSettlement(found.settlement, terminal));
      terminal.note(`as known at ${found.knownAt}`);
      return exitCodes.ok;
    });
}

/** Shows a fact that a line of a settlement names. */
export function termEventCommand(id: string): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const found = await factotum.terms.event(id);
      const { terminal } = setting;
      if (terminal.json) terminal.result(found);
      else terminal.out(cleanLine(JSON.stringify(found.event)));
      terminal.note(`known since ${found.knownAt}`);
      return exitCodes.ok;
    });
}

/** Shows what a subscription pays for a period, or what one line of that comes from. */
export function invoiceCommand(
  subscription: string,
  period: string,
  { knownAt, line }: WhenOptions & { readonly line?: number },
): Command {
  return (setting) =>
    withFactotum(setting, async ({ terms }) => {
      const { terminal } = setting;
      if (line === undefined) {
        const found = await terms.invoice(subscription, period, knownAt);
        if (terminal.json) terminal.result(found);
        else terminal.out(renderInvoice(found.invoice, terminal));
        terminal.note(`as known at ${found.knownAt}; --line NUMBER shows what a line comes from`);
        return exitCodes.ok;
      }
      const found = tracedLineJson(await terms.invoiceLine(subscription, period, line, knownAt));
      if (terminal.json) terminal.result(found);
      else terminal.out(renderTracedLine(found, terminal));
      terminal.note(`as known at ${found.knownAt}`);
      return exitCodes.ok;
    });
}

/** Says whether a model may be served on a channel; what is refused ends with the exit code of a failure. */
export function mayServeCommand(
  model: string,
  channel: { readonly cloud: string; readonly api: string; readonly region: string },
  when: WhenOptions,
): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const decision = await factotum.terms.mayServe({ model, channel, ...when });
      const { terminal } = setting;
      const refusals = decision.kind === "refused" ? decision.refusals : [];
      if (terminal.json) terminal.result(decision);
      else if (refusals.length === 0) terminal.out("allowed: no clause forbids it");
      for (const { because } of terminal.json ? [] : refusals) terminal.out(`refused: ${cleanLine(because)}`);
      return refusals.length === 0 ? exitCodes.ok : exitCodes.failed;
    });
}
