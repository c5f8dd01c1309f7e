/**
 * A second opinion on what may be served: a clerk who goes from the first hour of an agreement to the one
 * asked about, takes up each wording and each expert's word as its hour comes, and then reads the licences
 * that hold. Shares no code with the room `terms`. Facts and dates have to lie on whole hours.
 */
import type { AgreementFacts, TermEvent } from "factotum/terms";
import { DateTime } from "luxon";
import { isLike } from "./oracle-use.ts";

const HOUR = 3_600_000;

export type Asked = {
  readonly model: string;
  readonly channel: { readonly cloud: string; readonly api: string; readonly region: string };
};

/** The clauses that forbid a question at an hour, in order; asked for hours that come one after the other. */
export class ServingClerk {
  readonly #facts: AgreementFacts;
  readonly #zone: string;
  readonly #words: readonly Extract<TermEvent, { kind: "declaration" | "attestation" }>[];
  /** Whom each declaration is stood by, once it was made by a party. */
  readonly #stands = new Map<string, { readonly event: string; readonly signed: Set<string> }>();
  readonly #verified = new Set<string>();
  #hour: number;

  constructor(facts: AgreementFacts, knownAt: string) {
    const known = (one: { readonly knownAt: string }): boolean =>
      Date.parse(one.knownAt) <= Date.parse(knownAt);
    this.#facts = { ...facts, versions: facts.versions.filter(known) };
    const first = this.#facts.versions[0]?.terms;
    this.#zone = first?.zone ?? "UTC";
    const told = new Map(facts.events.filter(known).map(({ event }) => [event.id, event]));
    this.#words = [...told.values()]
      .flatMap((one) => (one.kind === "declaration" || one.kind === "attestation" ? [one] : []))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    // A declaration may be older than what it is about.
    const times = [this.#at(first?.from ?? ""), ...this.#words.map((one) => Date.parse(one.at))];
    this.#hour = Math.min(...times) - HOUR;
  }

  forbidding({ model, channel }: Asked, at: number): string[] {
    while (this.#hour < at) this.#next();
    const found: string[] = [];
    for (const clause of this.#wording()?.clauses ?? []) {
      if (clause.kind !== "licence" || !clause.exclusive) continue;
      const named = (patterns: readonly string[], text: string): boolean =>
        patterns.some((pattern) => isLike(pattern, text));
      if (!named(clause.models, model) || !named(clause.apis, channel.api)) continue;
      if (!named(clause.regions, channel.region) || named(clause.clouds, channel.cloud)) continue;
      const { date, event } = clause.until ?? {};
      const hasBegun = clause.from === undefined || at >= this.#at(clause.from);
      const isOver = date !== undefined && at >= this.#at(date);
      if (hasBegun && !isOver && !(event !== undefined && this.#verified.has(event))) found.push(clause.id);
    }
    return found.sort();
  }

  /** One hour on: declarations first, then what experts say of them, then the count. */
  #next(): void {
    this.#hour += HOUR;
    const now = this.#words.filter((one) => Date.parse(one.at) === this.#hour);
    for (const one of now) {
      if (one.kind === "declaration" && this.#wording()?.parties.includes(one.by) === true) {
        this.#stands.set(one.id, { event: one.event, signed: new Set() });
      }
    }
    for (const one of now) {
      const signed = one.kind === "attestation" ? this.#stands.get(one.declaration)?.signed : undefined;
      if (one.kind !== "attestation" || signed === undefined) continue;
      if (one.says === "sign") signed.add(one.by);
      else signed.delete(one.by);
    }
    for (const { event, signed } of this.#stands.values()) {
      const panel = this.#wording()?.panels[event];
      if (panel === undefined) continue;
      const stand = new Set(panel.experts.filter((expert) => signed.has(expert)));
      if (stand.size >= panel.quorum) this.#verified.add(event);
    }
  }

  #wording() {
    return this.#facts.versions
      .filter((one) => this.#at(one.effectiveFrom) <= this.#hour)
      .reduce<AgreementFacts["versions"][number] | undefined>(
        (last, one) => (last === undefined || one.version > last.version ? one : last),
        undefined,
      )?.terms;
  }

  readonly #parsed = new Map<string, number>();
  #at(text: string): number {
    const at = this.#parsed.get(text) ?? DateTime.fromISO(text, { zone: this.#zone }).toMillis();
    this.#parsed.set(text, at);
    return at;
  }
}
