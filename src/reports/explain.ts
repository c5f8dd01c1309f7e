import { otherService, rateAt, serviceOf } from "../ledger/index.ts";
import { type TokenKind, tokenKinds } from "./bill.ts";
import { type BookedCall, inputOf } from "./booked-calls.ts";
import { noMoney, total, type Usd, usd, usdOfPico, usdText } from "./money.ts";
import { type Ours, oursOf, priceOf, type Subject, type Theirs, theirsOf } from "./subject.ts";

/** Why a bill and the ledger differ. */
export type DifferenceKind =
  | "not-billed"
  | "not-booked"
  | "doubled"
  | "cached-tokens"
  | "tokens"
  | "tier"
  | "batch"
  | "re-priced"
  | "rounding"
  | "credit"
  | "other-charge";

/** One named difference; together they come to what was billed less what is booked. */
export type Difference = {
  readonly kind: DifferenceKind;
  /** What the bill has more than the ledger. */
  readonly amount: Usd;
  readonly subject: string;
  readonly model: string | null;
  /** Lines of the bill. */
  readonly lines: readonly string[];
  /** Calls in the ledger: their entries are found by these. */
  readonly calls: readonly string[];
  readonly because: string;
};

/** How a bill is read: whether it charges at all, and to how many decimals it rounds. */
export type BillRules = { readonly charges: boolean; readonly decimals: number };

const PER_MTOK = 1_000_000;
const INPUT_KINDS = ["input", "cachedInput", "cacheWrite"] as const;
const CALLS_NAMED_MAX = 20;

/** Names every difference of a subject that both sides know. */
export function explain(subject: Subject, rules: BillRules): readonly Difference[] {
  const theirs = theirsOf(subject);
  const ours = oursOf(subject.calls, theirs);
  const counted = countDifferences(subject, theirs, ours);
  const single = oneCall(subject, theirs, ours, counted);
  const tokens = single === null ? counted.map(({ difference }) => difference) : [single];
  if (!rules.charges) return tokens;
  const shift = new Map(counted.flatMap(({ shifts }) => shifts));
  return [...tokens, ...priceDifferences(subject, { theirs, ours, shift, rules })];
}

type Counted = {
  readonly difference: Difference;
  /** What each kind's count differs by, at our price. */
  readonly shifts: readonly (readonly [TokenKind, Usd])[];
};

function countDifferences(subject: Subject, { tokens }: Theirs, ours: Ours): readonly Counted[] {
  if (tokens === null) return [];
  const more = (kind: TokenKind): bigint => (tokens.get(kind) ?? 0n) - (ours.tokens.get(kind) ?? 0n);
  const shiftOf = (kind: TokenKind): readonly [TokenKind, Usd] => [
    kind,
    priceOf(subject.calls, kind).times(more(kind).toString()),
  ];
  const moved = INPUT_KINDS.filter((kind) => more(kind) !== 0n);
  const cacheOnly = moved.length > 1 && moved.reduce((sum, kind) => sum + more(kind), 0n) === 0n;
  const groups: (readonly TokenKind[])[] = cacheOnly ? [moved] : moved.map((kind) => [kind]);
  groups.push(
    ...(["output", "reasoning"] as const).filter((kind) => more(kind) !== 0n).map((kind) => [kind]),
  );
  return groups.map((kinds) => {
    const shifts = kinds.map(shiftOf);
    const said = kinds.map(
      (kind) => `${WORDS[kind]} ${ours.tokens.get(kind) ?? 0n} → ${tokens.get(kind) ?? 0n}`,
    );
    const because =
      cacheOnly && kinds === moved ? "the same input, cached differently: " : "counted differently: ";
    return {
      shifts,
      difference: {
        ...about(subject, cacheOnly && kinds === moved ? "cached-tokens" : "tokens"),
        amount: total(shifts.map(([, amount]) => amount)),
        because: `${because}${said.join(", ")} (ours → theirs), at our prices`,
      },
    };
  });
}

const WORDS: Readonly<Record<TokenKind, string>> = {
  ...{ input: "input", cachedInput: "cached input", cacheWrite: "cache writes" },
  ...{ output: "output", reasoning: "reasoning" },
};

/** Where sums differ by just what one call used, that call is named. */
function oneCall(
  subject: Subject,
  theirs: Theirs,
  ours: Ours,
  counted: readonly Counted[],
): Difference | null {
  const { tokens: told } = theirs;
  if (told === null || counted.length === 0 || subject.calls.length < 2) return null;
  for (const [sign, kind] of [
    [-1n, "not-billed"],
    [1n, "doubled"],
  ] as const) {
    const like = subject.calls.filter((call) => {
      const one = oursOf([call], theirs);
      return [...ours.tokens.keys(), ...told.keys()].every(
        (of) => (told.get(of) ?? 0n) - (ours.tokens.get(of) ?? 0n) === sign * (one.tokens.get(of) ?? 0n),
      );
    });
    const [call] = like;
    if (call === undefined) continue;
    const which = like.length === 1 ? `call ${call.callId}` : `one of ${like.length} equal calls`;
    return {
      ...about(subject, kind),
      calls: like.slice(0, CALLS_NAMED_MAX).map((one) => one.callId),
      amount: total(counted.map(({ difference }) => difference.amount)),
      because:
        kind === "not-billed"
          ? `the sums lack just what ${which} used`
          : `the sums have what ${which} used once more`,
    };
  }
  return null;
}

type Priced = {
  readonly theirs: Theirs;
  readonly ours: Ours;
  readonly shift: ReadonlyMap<TokenKind, Usd>;
  readonly rules: BillRules;
};

/** What is left of the charges once the counts agree: another tier, another price, or rounding. */
function priceDifferences(subject: Subject, { theirs, ours, shift, rules }: Priced): readonly Difference[] {
  const expected = (kind: TokenKind): Usd =>
    (ours.costs.get(kind) ?? noMoney).plus(shift.get(kind) ?? noMoney);
  if (theirs.amounts.size === 0 && theirs.whole === null) {
    const amount = total(tokenKinds.map(expected)).plus(ours.perRequest).negated();
    return amount.isZero()
      ? []
      : [
          {
            ...about(subject, "not-billed"),
            amount,
            because: "it is counted, and nothing is charged for it",
          },
        ];
  }
  const found: Difference[] = [];
  if (theirs.whole !== null) {
    const others = tokenKinds.filter((kind) => !theirs.amounts.has(kind));
    const sum = total(others.map(expected)).plus(ours.perRequest);
    found.push(...named(subject, { theirs, ours, rules }, theirs.whole.minus(sum), null));
  } else {
    const unpaid = tokenKinds.filter((kind) => !theirs.amounts.has(kind) && !expected(kind).isZero());
    for (const kind of unpaid) {
      const because = `nothing is charged for ${WORDS[kind]}`;
      found.push({ ...about(subject, "not-billed"), amount: expected(kind).negated(), because });
    }
    if (!ours.perRequest.isZero()) {
      const because = "nothing is charged for requests, beside their tokens";
      found.push({ ...about(subject, "not-billed"), amount: ours.perRequest.negated(), because });
    }
  }
  for (const [kind, amount] of theirs.amounts) {
    found.push(...named(subject, { theirs, ours, rules }, amount.minus(expected(kind)), kind));
  }
  return found;
}

function named(
  subject: Subject,
  { theirs, ours, rules }: Omit<Priced, "shift">,
  residual: Usd,
  kind: TokenKind | null,
): readonly Difference[] {
  if (residual.isZero()) return [];
  const charged = kind === null ? (theirs.whole ?? noMoney) : (theirs.amounts.get(kind) ?? noMoney);
  const close = (amount: Usd): boolean => amount.abs().lte(roundingOf(rules, subject.lines.length));
  if (close(residual)) {
    const because = `the bill rounds to ${rules.decimals} decimals`;
    return [{ ...about(subject, "rounding"), amount: residual, because }];
  }
  const tier = otherTier(subject, { theirs, ours, kind, residual, close });
  const what = kind === null ? "" : `${WORDS[kind]} `;
  if (tier !== null) {
    const because = `${what}is charged at the prices of ${tier}`;
    return [{ ...about(subject, "tier"), amount: residual, because }];
  }
  const service = byOtherService(subject.calls, kind === null ? tokenKinds : [kind], (more) =>
    close(more.minus(residual)),
  );
  if (service !== null) {
    return [{ ...about(subject, "batch"), amount: residual, because: `${what}is charged ${service}` }];
  }
  const count = kind === null ? null : (theirs.tokens?.get(kind) ?? ours.tokens.get(kind) ?? 0n);
  const because =
    count === null || count === 0n
      ? `${usdText(charged)} is charged, and ${usdText(charged.minus(residual))} by our prices`
      : `${what}is charged at ${perMtok(charged, count)} per million tokens, and ours is ${perMtok(
          charged.minus(residual),
          count,
        )}`;
  return [{ ...about(subject, "re-priced"), amount: residual, because }];
}

function perMtok(amount: Usd, count: bigint): string {
  return usdText(amount.times(PER_MTOK).div(count.toString()).toDecimalPlaces(6));
}

/** Half of the last decimal, for each line that was rounded. */
function roundingOf({ decimals }: BillRules, lines: number): Usd {
  return usd(`5e-${decimals + 1}`).times(lines);
}

/** Another tier of our own price list by which the charge comes out, for all calls or for one, in words. */
function otherTier(
  { calls }: Subject,
  {
    theirs,
    ours,
    kind,
    residual,
    close,
  }: {
    readonly theirs: Theirs;
    readonly ours: Ours;
    readonly kind: TokenKind | null;
    readonly residual: Usd;
    readonly close: (amount: Usd) => boolean;
  },
): string | null {
  const [first] = calls;
  const kinds = kind === null ? tokenKinds : [kind];
  const charged = kind === null ? (theirs.whole ?? noMoney) : (theirs.amounts.get(kind) ?? noMoney);
  const at = (call: BookedCall, level: bigint, count: (kind: TokenKind) => bigint): Usd =>
    total(kinds.map((one) => usdOfPico(rateAt(call.rates[one], level), count(one))));
  for (const level of first === undefined ? [] : levelsOf(first, kinds)) {
    const all = at(
      first as BookedCall,
      level,
      (one) => theirs.tokens?.get(one) ?? ours.tokens.get(one) ?? 0n,
    );
    if (close(all.plus(kind === null ? ours.perRequest : noMoney).minus(charged))) return tierName(level);
  }
  for (const call of calls) {
    for (const level of levelsOf(call, kinds)) {
      const more = at(call, level, (one) => call.usage[one]).minus(
        total(kinds.map((one) => call.costs[one])),
      );
      if (!more.isZero() && close(more.minus(residual))) return `${tierName(level)}, for call ${call.callId}`;
    }
  }
  return null;
}

/** The other service by whose prices the charge comes out, for all calls or for one, in words. */
function byOtherService(
  calls: readonly BookedCall[],
  kinds: readonly TokenKind[],
  explains: (more: Usd) => boolean,
): string | null {
  const found = calls.flatMap((call) => {
    const rates = otherService(call.rates);
    if (rates === null) return [];
    const cost = (kind: TokenKind): Usd =>
      usdOfPico(rateAt(rates[kind], inputOf(call.usage)), call.usage[kind]);
    const more = total(kinds.map((kind) => cost(kind).minus(call.costs[kind])));
    return more.isZero() ? [] : [{ call, more }];
  });
  const all = total(found.map(({ more }) => more));
  const one = !all.isZero() && explains(all) ? found[0] : found.find(({ more }) => explains(more));
  if (one === undefined) return null;
  const which = explains(all) ? "" : `, for call ${one.call.callId}`;
  return serviceOf(one.call.rates) === "live"
    ? `at the prices of batches${which}`
    : `at live prices, and booked at those of batches${which}`;
}

/** An input that falls into each tier of a call's prices. */
function levelsOf({ rates }: BookedCall, kinds: readonly TokenKind[]): readonly bigint[] {
  const above = new Set(kinds.flatMap((kind) => rates[kind].tiers.map((tier) => tier.above)));
  return [0n, ...[...above].map((edge) => edge + 1n)];
}

function tierName(level: bigint): string {
  return level === 0n ? "calls of less input" : `calls of more than ${level - 1n} tokens of input`;
}

/** What a difference is about, before its amount and its reason. */
export function about(
  { name, model, lines, calls }: Subject,
  kind: DifferenceKind,
): Omit<Difference, "amount" | "because"> {
  return {
    ...{ kind, subject: name, model, lines: lines.map(({ at }) => at) },
    calls: calls.slice(0, CALLS_NAMED_MAX).map(({ callId }) => callId),
  };
}

/** What calls cost by our prices, exact, before it was rounded up to be booked. */
export function exactCost(calls: readonly BookedCall[]): Usd {
  return total(calls.flatMap((call) => [call.perRequest, ...tokenKinds.map((kind) => call.costs[kind])]));
}
