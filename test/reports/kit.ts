/** Calls as they are booked, without a database: by one price list, rounded up as bookings are. */
import { type CallId, type ModelId, must, tokens, type Usage } from "factotum/kernel";
import { costOf, otherService, ratesFromJson } from "factotum/ledger";
import { type Bill, type BookedCall, compare, joined, pricedCall, usd } from "factotum/reports";

/** $3 and $15 a million, cached input a tenth; twice as much above 200,000 tokens of input. */
const rates = ratesFromJson({
  ...{ input: ["3000000", ["200000", "6000000"]], cachedInput: ["300000", ["200000", "600000"]] },
  ...{ cacheWrite: ["3750000", ["200000", "7500000"]], output: ["15000000", ["200000", "22500000"]] },
  ...{ reasoning: ["15000000", ["200000", "22500000"]], perRequest: "0", source: "test" },
  other: {
    ...{ input: ["1500000"], cachedInput: ["150000"], cacheWrite: ["1875000"], output: ["7500000"] },
    reasoning: ["7500000"],
  },
});

/** A call of the model `openai/strong` on 2 March 2026, unless it is said otherwise. */
export function call(
  id: string,
  counts: Partial<Readonly<Record<keyof Usage, number>>>,
  more: {
    readonly at?: string;
    readonly model?: string;
    readonly replyId?: string;
    readonly batch?: boolean;
  } = {},
): BookedCall {
  const kind = (name: keyof Usage) => tokens(counts[name] ?? 0);
  const usage: Usage = {
    ...{ input: kind("input"), cachedInput: kind("cachedInput"), cacheWrite: kind("cacheWrite") },
    ...{ output: kind("output"), reasoning: kind("reasoning") },
  };
  const by = more.batch === true ? must(otherService(rates), "batch prices") : rates;
  const booked = usd(costOf(usage, by).toString()).div(1_000_000);
  return pricedCall({
    ...{ callId: id as CallId, try: 1, replyId: more.replyId ?? null, usage, rates: by, booked },
    ...{ at: new Date(more.at ?? "2026-03-02T12:00:00Z"), model: (more.model ?? "openai/strong") as ModelId },
  });
}

/** Bills laid beside calls, with amounts as text. */
export function laid(bills: readonly Bill[], calls: readonly BookedCall[]) {
  const found = compare(bills, calls, joined(bills.flatMap((bill) => bill.covers)));
  const told = found.differences.map(({ kind, amount, because }) => ({
    ...{ kind, amount: amount.toFixed(), because },
  }));
  const sum = found.differences.reduce((all, { amount }) => all.plus(amount), usd(0));
  return { ...found, told, sum: sum.toFixed() };
}
