import { type Entry, writtenAmount } from "../ledger/index.ts";
import { usdOfMicro } from "./money.ts";
import type { TableColumn, TableRow } from "./table-files.ts";

const JOULE_DECIMALS = 3;

/** The columns of booked entries as a table. */
export const entryColumns: readonly TableColumn[] = [
  { name: "id", type: "string" },
  { name: "at", type: "date-time" },
  ...["kind", "run", "attempt", "call", "try", "model"].map((name) => ({ name, type: "string" as const })),
  ...["input", "cached_input", "cache_write", "output", "reasoning"].map((name) => ({
    ...{ name: `${name}_tokens`, type: "decimal" as const },
  })),
  { name: "amount_usd", type: "decimal" },
  { name: "joules", type: "decimal" },
  ...["debit", "credit", "price_source", "because", "reverses"].map((name) => ({
    ...{ name, type: "string" as const },
  })),
];

/** An entry as a row of that table. */
export function entryRow({ id, at, usage, amount, millijoules, ...entry }: Entry): TableRow {
  return {
    ...{
      id,
      at: at.toISOString(),
      kind: entry.kind,
      run: entry.runId,
      call: entry.callId,
      model: entry.model,
    },
    ...{ attempt: textOf(entry.attempt), try: textOf(entry.try) },
    ...{ input_tokens: String(usage.input), cached_input_tokens: String(usage.cachedInput) },
    ...{ cache_write_tokens: String(usage.cacheWrite), output_tokens: String(usage.output) },
    ...{ reasoning_tokens: String(usage.reasoning), amount_usd: usdOfMicro(amount).toFixed(6) },
    joules: writtenAmount(millijoules, JOULE_DECIMALS),
    ...{ debit: entry.debit, credit: entry.credit, price_source: entry.source },
    ...{ because: entry.because, reverses: entry.reverses },
  };
}

function textOf(count: number | null): string | null {
  return count === null ? null : String(count);
}
