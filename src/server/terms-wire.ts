/** The JSON of invoices' lines that the HTTP API and the CLI's `--json` share. */
import type { TracedFact, TracedLine } from "../terms/index.ts";

/** A line of an invoice with its facts and the usage events behind them; quantities are text. */
export function tracedLineJson({ knownAt, invoice, line, facts }: TracedLine) {
  const { subscription, period, currency } = invoice;
  return { ...{ knownAt, subscription, period, currency, line }, facts: facts.map(factJson) };
}

function factJson({ event, knownAt, metered, usage }: TracedFact) {
  if (usage === null) return { event, knownAt, metered, usage: null };
  const { quantity, at, ...counted } = usage.event;
  const told = { ...counted, at: at.toISOString(), quantity: String(quantity), disputed: usage.disputed };
  return { event, knownAt, metered, usage: told };
}
