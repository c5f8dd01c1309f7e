/**
 * A second opinion on settlements, as a patient clerk would work them out: hour by hour or day by day, one
 * fact after the other, with a calendar and arithmetic of its own. It shares no code with the room `terms`,
 * types apart.
 */
import type { AgreementFacts, Clause, Settlement, TermEvent } from "factotum/terms";
import { DateTime } from "luxon";
import { boughtIn, usedUnder } from "./oracle-use.ts";
import { minus, more, NOTHING, plus, type Ratio, ratio, read, rounded, times } from "./oracle-arithmetic.ts";

type Kind<Name extends TermEvent["kind"]> = Extract<TermEvent, { kind: Name }>;
type Wording = { readonly number: number; readonly from: number; readonly terms: Terms };
type Terms = AgreementFacts["versions"][number]["terms"];
/** What the oracle answers: each line's amount in minor units, and who owes whom. */
export type Opinion = { readonly lines: readonly string[]; readonly owed: readonly string[] };

const HOUR = 3_600_000;

/** One hour, or one calendar day, of what was earned evenly; or all of it at once. */
type Slice = { readonly at: number; readonly weight: Ratio };

export class Oracle {
  private readonly wordings: readonly Wording[];
  readonly events: readonly TermEvent[];
  private readonly closed: readonly Settlement[];
  private readonly base: Terms;
  private readonly quorums = new Map<string, number>();
  private readonly times = new Map<string, number>();
  private readonly sliced = new Map<string, readonly Slice[]>();

  constructor(facts: AgreementFacts, knownAt: string) {
    const until = Date.parse(knownAt);
    const versions = facts.versions.filter((one) => Date.parse(one.knownAt) <= until);
    const first = versions.find((one) => one.version === 1);
    if (first === undefined) throw new Error("no first version");
    this.base = first.terms;
    this.wordings = versions.map((one) => ({
      number: one.version,
      from: this.when(one.effectiveFrom),
      terms: one.terms,
    }));
    const seen = new Map<string, TermEvent>();
    for (const one of facts.events) if (Date.parse(one.knownAt) <= until) seen.set(one.event.id, one.event);
    this.events = [...seen.values()];
    this.closed = facts.closed.filter((one) => Date.parse(one.knownAt) <= until).map((one) => one.settlement);
  }

  /** Who owes whom for a month, as the engine names its lines. */
  settle(month: string): Opinion {
    const kept = this.closed.find((one) => one.period === month);
    if (kept !== undefined) return opinionOf(kept);
    const lines = new Map<
      string,
      { clause: string; from: string; to: string; minor: bigint; owed: boolean }[]
    >();
    const firstOpen = this.firstOpen();
    for (let at = firstOpen; ; at = this.next(at)) {
      lines.set(at, this.month(at, at === firstOpen, lines));
      if (at === month) break;
    }
    const found = lines.get(month) ?? [];
    return { lines: found.map((line) => `${line.clause} ${line.minor}`).sort(), owed: this.owed(found) };
  }

  private month(
    month: string,
    correct: boolean,
    before: ReadonlyMap<string, readonly { clause: string; minor: bigint }[]>,
  ): { clause: string; from: string; to: string; minor: bigint; owed: boolean }[] {
    const found: { clause: string; from: string; to: string; minor: bigint; owed: boolean }[] = [];
    for (const clause of this.clauses()) {
      const minor = this.own(clause, month);
      const sides = sidesOf(clause);
      const owed = clause.kind !== "investment";
      if (minor !== 0n) found.push({ clause: `${clause.id}@${month}`, ...sides, minor, owed });
      if (!correct) continue;
      for (const old of this.closed) {
        const settled = this.closed
          .flatMap((one) => one.lines)
          .filter((line) => line.clause === clause.id && line.kind !== "cap" && line.earnedIn === old.period)
          .reduce((total, line) => total + rounded(read(line.amount), this.base), 0n);
        const left = this.own(clause, old.period) - settled;
        if (left !== 0n) found.push({ clause: `${clause.id}@${old.period}`, ...sides, minor: left, owed });
      }
    }
    for (const { id, kind } of this.clauses()) {
      const until = kind === "cap" ? this.lastMoment(id, ...this.spanOf(month)) : null;
      const cap = until === null ? undefined : this.clauseAt(id, until - HOUR);
      if (cap?.kind !== "cap") continue;
      const mine = (name: string): boolean => [cap.id, ...cap.clauses].includes(name.split("@")[0] ?? "");
      let paid = rounded(read(cap.paidBefore), this.base);
      for (const old of this.closed) {
        for (const line of old.lines) if (mine(line.clause)) paid += rounded(read(line.amount), this.base);
      }
      for (const earlier of before.values())
        for (const line of earlier) if (mine(line.clause)) paid += line.minor;
      const shares = found.filter((line) => mine(line.clause));
      const due = shares.reduce((total, line) => total + line.minor, 0n);
      const most = rounded(read(cap.amount), this.base);
      // A cap lets no more be paid; it takes nothing back, and keeps no claw-back from being paid.
      let pays = due > 0n && paid + due > most ? (most > paid ? most - paid : 0n) : due;
      if (paid + pays < 0n) pays = -paid;
      for (const sample of pays === due ? [] : shares.slice(0, 1)) {
        found.push({ ...sample, clause: `${cap.id}@${month}`, minor: pays - due });
      }
    }
    return found;
  }

  private owed(lines: readonly { from: string; to: string; minor: bigint; owed: boolean }[]): string[] {
    const parties = [...new Set(lines.flatMap((line) => [line.from, line.to]))].sort();
    const found: string[] = [];
    for (const debtor of parties) {
      for (const creditor of parties) {
        if (debtor === creditor) continue;
        let minor = 0n;
        for (const line of lines) {
          if (!line.owed) continue;
          if (line.from === debtor && line.to === creditor) minor += line.minor;
          if (this.base.netting && line.from === creditor && line.to === debtor) minor -= line.minor;
        }
        if (minor > 0n) found.push(`${debtor} ${creditor} ${minor}`);
        if (minor < 0n && !this.base.netting) found.push(`${creditor} ${debtor} ${-minor}`);
      }
    }
    return found.sort();
  }

  /** The minor units of a clause for what was earned in a month. */
  private own(clause: Clause, month: string): bigint {
    if (clause.kind === "share") return rounded(this.shared(clause.id, this.spanOf(month), month), this.base);
    if (clause.kind === "commitment") return rounded(this.missing(clause.id, month), this.base);
    if (clause.kind === "licence") return rounded(usedUnder(this, clause.id, month).royalty, this.base);
    if (clause.kind === "investment") {
      const [from, to] = this.spanOf(month);
      return this.carried(clause, to) - this.carried(clause, from);
    }
    return 0n;
  }

  private shared(id: string, [from, to]: readonly [number, number], month: string): Ratio {
    let total = NOTHING;
    for (const event of this.events) {
      if (event.kind !== "revenue") continue;
      const net = this.net(event, id);
      for (const slice of this.slices(event)) {
        if (slice.at < from || slice.at >= to) continue;
        const clause = this.clauseAt(id, slice.at);
        if (clause?.kind !== "share") continue;
        if (!clause.streams.includes("*") && !clause.streams.includes(event.stream)) continue;
        if (event.tags.some((tag) => clause.excludeTags.includes(tag))) continue;
        let base = net;
        for (const name of clause.deduct) base = minus(base, read(event.deductions[name] ?? "0"));
        const part = times(times(base, slice.weight), read(clause.rate));
        total = plus(total, times(part, this.fx(event, month)));
      }
    }
    return total;
  }

  private net(event: Kind<"revenue">, id: string): Ratio {
    let amount = event.amount;
    let latest = "";
    let back = NOTHING;
    for (const change of this.events) {
      if (change.kind !== "refund" && change.kind !== "restatement") continue;
      if (change.of !== event.id || !this.admitted(id, Date.parse(change.at))) continue;
      const order = `${new Date(change.at).toISOString()} ${change.id}`;
      if (change.kind === "refund") back = plus(back, read(change.amount));
      else if (order > latest) [latest, amount] = [order, change.amount];
    }
    return minus(read(amount), back);
  }

  /** Whether the share still holds later, or ended no longer than its tail ago. */
  private admitted(id: string, at: number): boolean {
    let end = Number.NEGATIVE_INFINITY;
    let tail: string | undefined;
    const starts = [...new Set(this.wordings.map((one) => one.from))].sort((a, b) => a - b);
    for (const [index, from] of starts.entries()) {
      const clause = this.wordingAt(from)?.terms.clauses.find((one) => one.id === id);
      if (clause?.kind !== "share") continue;
      const begins = Math.max(from, this.when(clause.from ?? this.base.from));
      const ends = Math.min(starts[index + 1] ?? Number.POSITIVE_INFINITY, this.endOf(clause));
      if (begins < ends) [end, tail] = [ends, clause.tail];
    }
    if (end === Number.POSITIVE_INFINITY) return true;
    if (end === Number.NEGATIVE_INFINITY) return false;
    const months = Number(tail?.replace(/\D/g, "") ?? "0");
    return at < DateTime.fromMillis(end, { zone: this.base.zone }).plus({ months }).toMillis();
  }

  private missing(id: string, month: string): Ratio {
    const [from, to] = this.spanOf(month);
    const first = this.firstHeld(id, to);
    if (first === undefined) return NOTHING;
    const months = { month: 1, quarter: 3, year: 12 }[first.every];
    const start = DateTime.fromMillis(this.when(first.from ?? this.base.from), { zone: this.base.zone });
    let total = NOTHING;
    for (let number = 0; ; number += 1) {
      const opens = start.plus({ months: months * number }).toMillis();
      const closes = start.plus({ months: months * (number + 1) }).toMillis();
      if (opens >= to) return total;
      const slices = this.slicesOf([opens, closes]);
      const held = slices.filter((slice) => this.clauseAt(id, slice.at)?.kind === "commitment");
      const due = this.lastMoment(id, opens, closes);
      if (due === null || due <= from || due > to) continue;
      let target = NOTHING;
      for (const slice of held) {
        const clause = this.clauseAt(id, slice.at);
        if (clause?.kind === "commitment") target = plus(target, times(read(clause.amount), slice.weight));
      }
      const at = this.clauseAt(id, due - 1);
      if (at?.kind !== "commitment") continue;
      let begins = opens;
      while (this.clauseAt(id, begins) === undefined) begins += HOUR;
      let counted = 0n;
      for (let each = this.nameOf(opens); this.spanOf(each)[0] < due; each = this.next(each)) {
        const [head, end] = this.spanOf(each);
        const inside = [Math.max(head, begins), Math.min(end, due)] as const;
        for (const one of at.clauses) counted += rounded(this.shared(one, inside, each), this.base);
        counted += rounded(boughtIn(this, at.streams, inside, each), this.base);
      }
      const lack = minus(target, ratio(counted, 10n ** BigInt(this.base.digits)));
      if (more(lack, NOTHING)) total = plus(total, lack);
    }
  }

  /** The commitment as it read when it first held: its windows are kept. */
  private firstHeld(id: string, until: number): Extract<Clause, { kind: "commitment" }> | undefined {
    for (let at = this.when(this.base.from); at < until; at += HOUR) {
      const clause = this.clauseAt(id, at);
      if (clause?.kind === "commitment") return clause;
    }
  }

  /** The last moment at which a clause holds in a span, found hour by hour. */
  private lastMoment(id: string, from: number, to: number): number | null {
    for (let at = to; at > from; at -= HOUR) if (this.clauseAt(id, at - HOUR) !== undefined) return at;
    return null;
  }

  private carried(clause: Extract<Clause, { kind: "investment" }>, until: number): bigint {
    let parts = NOTHING;
    let invested = read(clause.invested);
    for (const event of this.events) {
      if (event.kind === "investment" && event.holder === clause.holder && Date.parse(event.at) < until) {
        invested = plus(invested, read(event.amount));
      }
      if (event.kind !== "result" || event.company !== clause.company) continue;
      for (const slice of this.slices(event)) {
        const now = slice.at < until ? this.clauseAt(clause.id, slice.at) : undefined;
        if (now?.kind !== "investment") continue;
        parts = plus(parts, times(times(read(event.amount), slice.weight), read(now.share)));
      }
    }
    const floor = minus(NOTHING, invested);
    return rounded(more(floor, parts) ? floor : parts, this.base);
  }

  fx(event: Kind<"revenue"> | Kind<"use">, month: string): Ratio {
    if (event.currency === this.base.currency) return [1n, 1n];
    const { earned } = event;
    const end = "at" in earned ? Date.parse(earned.at) + 1 : Date.parse(earned.to);
    const before = this.base.fx === "earned" ? end : this.spanOf(month)[1];
    const rates = this.events
      .filter((one) => one.kind === "rate")
      .filter((one) => one.from === event.currency && Date.parse(one.at) < before)
      .sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.id < b.id ? -1 : 1));
    return read(rates.at(-1)?.rate ?? "0");
  }

  private clauses(): Clause[] {
    const found = new Map<string, Clause>();
    for (const wording of [...this.wordings].sort((a, b) => a.number - b.number)) {
      for (const clause of wording.terms.clauses) found.set(clause.id, clause);
    }
    return [...found.values()];
  }

  private wordingAt(at: number): Wording | undefined {
    let found: Wording | undefined;
    for (const one of this.wordings) {
      if (one.from <= at && (found === undefined || one.number > found.number)) found = one;
    }
    return found;
  }

  clauseAt(id: string, at: number): Clause | undefined {
    const clause = this.wordingAt(at)?.terms.clauses.find((one) => one.id === id);
    if (clause === undefined || at < this.when(clause.from ?? this.base.from)) return undefined;
    return at < this.endOf(clause) ? clause : undefined;
  }

  private endOf(clause: Clause): number {
    const dated = clause.until?.date === undefined ? Number.POSITIVE_INFINITY : this.when(clause.until.date);
    const event = clause.until?.event;
    return event === undefined ? dated : Math.min(dated, this.verified(event));
  }

  /** The first time at which enough experts of the panel stand by one declaration of a party. */
  private verified(event: string): number {
    const kept = this.quorums.get(event);
    if (kept !== undefined) return kept;
    let found = Number.POSITIVE_INFINITY;
    for (const one of this.events) {
      if (one.kind !== "declaration" || one.event !== event) continue;
      const since = Date.parse(one.at);
      if (this.wordingAt(since)?.terms.parties.includes(one.by) !== true) continue;
      const words = this.events
        .flatMap((word) => (word.kind === "attestation" && word.declaration === one.id ? [word] : []))
        .filter((word) => Date.parse(word.at) >= since)
        .sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.id < b.id ? -1 : 1));
      const moments = [
        ...words.map((word) => Date.parse(word.at)),
        ...this.wordings.map((each) => each.from),
      ];
      for (const at of moments) {
        const panel = this.wordingAt(at)?.terms.panels[event];
        if (at < since || panel === undefined) continue;
        const stands = panel.experts.filter(
          (expert) =>
            words.findLast((word) => word.by === expert && Date.parse(word.at) <= at)?.says === "sign",
        );
        if (new Set(stands).size >= panel.quorum) found = Math.min(found, at);
      }
    }
    this.quorums.set(event, found);
    return found;
  }

  slices(event: { readonly earned: Kind<"revenue">["earned"] }): readonly Slice[] {
    const { earned } = event;
    if ("at" in earned) return [{ at: Date.parse(earned.at), weight: [1n, 1n] }];
    return this.slicesOf([Date.parse(earned.from), Date.parse(earned.to)]);
  }

  private slicesOf([from, to]: readonly [number, number]): readonly Slice[] {
    const key = `${from} ${to}`;
    const kept = this.sliced.get(key);
    if (kept !== undefined) return kept;
    const parts: { at: number; size: Ratio }[] = [];
    for (let at = from; at < to;) {
      const day = DateTime.fromMillis(at, { zone: this.base.zone }).startOf("day");
      const end = this.base.proration === "days" ? day.plus({ days: 1 }).toMillis() : at + HOUR;
      const start = this.base.proration === "days" ? day.toMillis() : at;
      parts.push({ at, size: ratio(BigInt(Math.min(end, to) - at), BigInt(end - start)) });
      at = end;
    }
    let whole = NOTHING;
    for (const part of parts) whole = plus(whole, part.size);
    const slices = parts.map(({ at, size }) => ({ at, weight: times(size, ratio(whole[1], whole[0])) }));
    this.sliced.set(key, slices);
    return slices;
  }

  private firstOpen(): string {
    const periods = this.closed.map((one) => one.period).sort();
    const last = periods.at(-1);
    return last === undefined ? this.nameOf(this.when(this.base.from)) : this.next(last);
  }

  private nameOf(at: number): string {
    return DateTime.fromMillis(at, { zone: this.base.zone }).toFormat("yyyy-MM");
  }

  private next(month: string): string {
    return this.nameOf(this.spanOf(month)[1]);
  }

  spanOf(month: string): readonly [number, number] {
    const start = DateTime.fromFormat(month, "yyyy-MM", { zone: this.base.zone });
    return [start.toMillis(), start.plus({ months: 1 }).toMillis()];
  }

  private when(text: string): number {
    const at = this.times.get(text) ?? DateTime.fromISO(text, { zone: this.base.zone }).toMillis();
    this.times.set(text, at);
    return at;
  }
}

function sidesOf(clause: Clause): { from: string; to: string } {
  if (clause.kind === "share" || clause.kind === "commitment")
    return { from: clause.payer, to: clause.payee };
  if (clause.kind === "licence") return { from: clause.licensee, to: clause.licensor };
  if (clause.kind === "investment") return { from: clause.company, to: clause.holder };
  return { from: "", to: "" };
}

/** A settlement in the oracle's words. */
export function opinionOf(settlement: Settlement): Opinion {
  const minor = (text: string): string => text.replace(".", "").replace(/^(-?)0+(?=\d)/, "$1");
  const lines = settlement.lines.filter((line) => !/^-?0[.]?0*$/.test(line.amount));
  return {
    lines: lines.map((line) => `${line.clause}@${line.earnedIn} ${minor(line.amount)}`).sort(),
    owed: settlement.owed.map((one) => `${one.from} ${one.to} ${minor(one.amount)}`).sort(),
  };
}
