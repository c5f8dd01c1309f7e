import type { Transaction } from "../postgres/index.ts";
import { type Bill, type BillLine, type BillSpan, refuseBill, tokenKinds } from "./bill.ts";
import { type BookedCall, bookedCalls, lossesIn } from "./booked-calls.ts";
import { about, type BillRules, type Difference, exactCost, explain } from "./explain.ts";
import { noMoney, total, type Usd } from "./money.ts";
import { fewest, joined, type Spans, withoutGaps } from "./spans.ts";
import { namesOf, plainModel, priceOf, type Subject } from "./subject.ts";

/** A bill laid beside the ledger. */
export type Reconciliation = {
  readonly bills: readonly Pick<Bill, "name" | "format">[];
  /** The time that is compared; empty where only single requests are. */
  readonly covers: readonly BillSpan[];
  readonly lines: number;
  readonly calls: number;
  /** Requests, or models in a span of time, that both sides know and that do not differ at all. */
  readonly agreed: number;
  /** All that the bills charge; null for usage reports, which charge nothing. */
  readonly billed: Usd | null;
  readonly booked: Usd;
  /** They come to `billed − booked`, exactly; for usage reports, to what counts differ by at our prices. */
  readonly differences: readonly Difference[];
  /** Which of our calls each id of the bills is. */
  readonly named: readonly { readonly id: string; readonly callId: string }[];
  /** Calls that broke off and were booked as our loss, at their worst case: perhaps on the bill. */
  readonly losses: { readonly calls: number; readonly amount: Usd };
};

/** The most lines of all bills together. */
const LINES_MAX = 1_000_000;

/**
 * Lays bills of one provider beside what is booked, and names every difference. Where lines name requests,
 * each is compared; where they are sums, each model in each span of time is. Reads only.
 *
 * @param options.endpoints whose calls are compared: the first part of a model's id. By default those whose
 * models the bills name
 * @param options.covers the time that the bills are for, where they do not say: what is booked then must be
 * on them
 * @throws {InputError} `bill-mixed` for bills of both kinds together, `bill-too-large`
 */
export async function reconcile(
  tx: Pick<Transaction, "query">,
  bills: readonly Bill[],
  { endpoints, covers }: { readonly endpoints?: readonly string[]; readonly covers?: BillSpan } = {},
): Promise<Reconciliation> {
  const lines = bills.flatMap((bill) => bill.lines);
  if (lines.length > LINES_MAX) {
    throw refuseBill("bill-too-large", `these bills have more than ${LINES_MAX} lines: split them by month`);
  }
  const ids = lines.flatMap((line) => (line.id === null ? [] : [line.id]));
  if (ids.length > 0 && ids.length < lines.filter((line) => line.amount?.isNegative() !== true).length) {
    throw refuseBill("bill-mixed", "some lines name a request and some are sums: reconcile those apart");
  }
  const spans = joined([...bills.flatMap((bill) => bill.covers), ...around(bills, covers)]);
  const found = await bookedCalls(tx, { spans: fewest(spans), ids });
  const calls = ofProvider(found, lines, new Set(ids), endpoints);
  const comparison = compare(bills, calls, spans);
  return { ...comparison, losses: await lossesIn(tx, fewest(spans)) };
}

/** The time of `covers` that is before, between and after what the bills speak of. */
function around(bills: readonly Bill[], covers: BillSpan | undefined): readonly BillSpan[] {
  if (covers === undefined) return [];
  const { from, to } = covers;
  return withoutGaps([{ from, to: from }, ...bills.flatMap((bill) => bill.covers), { from: to, to }]);
}

/** The calls to endpoints that the bills speak of. */
function ofProvider(
  calls: readonly BookedCall[],
  lines: readonly BillLine[],
  ids: ReadonlySet<string>,
  endpoints: readonly string[] | undefined,
): readonly BookedCall[] {
  const models = new Set(lines.flatMap((line) => (line.model === null ? [] : [plainModel(line.model)])));
  const endpointOf = (call: BookedCall): string => call.model.slice(0, call.model.indexOf("/"));
  const named = calls.filter(
    (call) => namesOf(call.model).some((name) => models.has(name)) || isNamed(call, ids),
  );
  const wanted = new Set(endpoints ?? named.map(endpointOf));
  return calls.filter((call) => wanted.has(endpointOf(call)));
}

function isNamed({ callId, replyId }: BookedCall, ids: ReadonlySet<string>): boolean {
  return ids.has(callId) || (replyId !== null && ids.has(replyId));
}

/** The comparison itself: pure, so that any bill can be laid beside any calls. */
export function compare(
  bills: readonly Bill[],
  calls: readonly BookedCall[],
  spans: Spans,
): Omit<Reconciliation, "losses"> {
  const lines = bills.flatMap((bill) => bill.lines);
  const amounts = lines.flatMap((line) => (line.amount === null ? [] : [line.amount]));
  const decimals = amounts.reduce((most, amount) => Math.max(most, amount.decimalPlaces()), 0);
  const rules: BillRules = { charges: amounts.length > 0, decimals };
  const { once, twice, credits } = sorted(lines);
  const subjects = once.some((line) => line.id !== null)
    ? byRequest(once, calls)
    : bySpan(once, calls, spans);
  const both = subjects.filter((subject) => subject.lines.length > 0 && subject.calls.length > 0);
  const explained = both.map((subject) => explain(subject, rules));
  const differences = [
    ...explained.flat(),
    ...subjects.filter((subject) => !both.includes(subject)).map((subject) => oneSided(subject, rules)),
    ...twice.map((line) => doubled(line, calls, rules)),
    ...credits.map((line) => ({
      ...about({ name: line.words, model: line.model, lines: [line], calls: [] }, "credit"),
      amount: line.amount ?? noMoney,
      because: "the provider gives something back",
    })),
    ...ourRounding(calls, rules),
  ];
  return {
    bills: bills.map(({ name, format }) => ({ name, format })),
    ...{ covers: fewest(spans), lines: lines.length, calls: calls.length },
    agreed: explained.filter((found) => found.length === 0).length,
    billed: rules.charges ? total(amounts) : null,
    booked: total(calls.map((call) => call.booked)),
    named: calls.flatMap(({ callId, replyId }) => [
      { id: callId, callId },
      ...(replyId === null ? [] : [{ id: replyId, callId }]),
    ]),
    differences: differences.filter(({ amount, kind }) => !amount.isZero() || kind !== "rounding"),
  };
}

/** Lines without repetitions and credits; a request, or a sum, that is there again is a repetition. */
function sorted(lines: readonly BillLine[]) {
  const seen = new Set<string>();
  const parts = { once: [] as BillLine[], twice: [] as BillLine[], credits: [] as BillLine[] };
  for (const line of lines) {
    const key = line.id === null ? line.raw : `${line.id} ${line.kind ?? ""}`;
    if (line.amount?.isNegative() === true) parts.credits.push(line);
    else if (seen.has(key)) parts.twice.push(line);
    else parts.once.push(line);
    seen.add(key);
  }
  return parts;
}

function byRequest(lines: readonly BillLine[], calls: readonly BookedCall[]): readonly Subject[] {
  const byId = new Map<string | null, BookedCall>();
  for (const call of calls) for (const id of [call.replyId, call.callId]) byId.set(id, call);
  const tries = Map.groupBy(calls, (call): string => call.callId);
  const subjects = new Map<string, { lines: BillLine[]; calls: BookedCall[]; model: string | null }>();
  for (const line of lines) {
    const call = line.id === null ? undefined : byId.get(line.id);
    const name = call?.callId ?? line.id ?? line.at;
    const made = { lines: [], calls: tries.get(name) ?? [], model: call?.model ?? line.model };
    const subject = subjects.get(name) ?? made;
    subject.lines.push(line);
    subjects.set(name, subject);
  }
  const rest = [...tries].filter(([name]) => !subjects.has(name));
  return [
    ...[...subjects].map(([name, subject]) => ({ name, ...subject })),
    ...rest.map(([name, of]) => ({ name, model: of[0]?.model ?? null, lines: [], calls: of })),
  ];
}

function bySpan(lines: readonly BillLine[], calls: readonly BookedCall[], spans: Spans): readonly Subject[] {
  const models = new Map<string, string>();
  for (const call of calls) for (const name of namesOf(call.model)) models.set(name, call.model);
  const subjects = new Map<
    string,
    { lines: BillLine[]; calls: BookedCall[]; model: string | null; name: string }
  >();
  const subjectOf = (at: Date | null, model: string | null) => {
    const span = at === null ? null : spans.at(at);
    const when = span === null ? "some time" : `${span.from.toISOString()}/${span.to.toISOString()}`;
    const key = JSON.stringify([when, model]);
    const subject = subjects.get(key) ?? {
      lines: [],
      calls: [],
      model,
      name: `${model ?? "no model"}, ${when}`,
    };
    subjects.set(key, subject);
    return subject;
  };
  for (const line of lines) {
    const model = line.model === null ? null : (models.get(plainModel(line.model)) ?? line.model);
    subjectOf(line.span?.from ?? null, model).lines.push(line);
  }
  for (const call of calls) subjectOf(spans.all.length === 0 ? null : call.at, call.model).calls.push(call);
  return [...subjects.values()];
}

function oneSided(subject: Subject, rules: BillRules): Difference {
  const { lines, calls, model } = subject;
  if (lines.length === 0) {
    const because =
      calls.length === 1
        ? "it is booked and not on the bill"
        : `${calls.length} calls are booked and not on the bill`;
    return { ...about(subject, "not-billed"), amount: exactCost(calls).negated(), because };
  }
  const amount = total(lines.map((line) => line.amount ?? noMoney));
  const isCall =
    model !== null && (lines.some((line) => line.kind !== null || hasTokens(line)) || !rules.charges);
  return isCall
    ? { ...about(subject, "not-booked"), amount, because: "it is on the bill and nothing is booked for it" }
    : { ...about(subject, "other-charge"), amount, because: "it is charged beside tokens" };
}

function hasTokens(line: BillLine): boolean {
  return line.id !== null || tokenKinds.some((kind) => line.tokens[kind] !== undefined);
}

function doubled(line: BillLine, calls: readonly BookedCall[], { charges }: BillRules): Difference {
  const name = line.id ?? line.words;
  const like = calls.filter((call) => call.callId === line.id || call.replyId === line.id);
  const same =
    like.length > 0
      ? like
      : calls.filter((call) => namesOf(call.model).includes(plainModel(line.model ?? "")));
  const atOurs = tokenKinds.map((kind) => priceOf(same, kind).times((line.tokens[kind] ?? 0n).toString()));
  return {
    ...about({ name, model: line.model, lines: [line], calls: like }, "doubled"),
    amount: line.amount ?? (charges ? noMoney : total(atOurs)),
    because: "the bill has this line more than once",
  };
}

/** Each call is booked rounded up to a whole micro-dollar; together that is one difference. */
function ourRounding(calls: readonly BookedCall[], { charges }: BillRules): readonly Difference[] {
  if (!charges || calls.length === 0) return [];
  const amount = exactCost(calls).minus(total(calls.map((call) => call.booked)));
  const subject = { name: "all calls", model: null, lines: [], calls: [] };
  const because = `${calls.length} bookings, each rounded up to a millionth of a dollar`;
  return [{ ...about(subject, "rounding"), amount, because }];
}

/** The sum of differences, which is `billed − booked` where the bills charge. */
export function explainedBy(differences: readonly Difference[]): Usd {
  return total(differences.map(({ amount }) => amount));
}
