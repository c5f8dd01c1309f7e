import { isDeepStrictEqual } from "node:util";
import { type Tariff, tariffOf } from "../calls/index.ts";
import { InputError } from "../kernel/index.ts";
import type { Keys, ModelCard } from "../models/index.ts";
import { type Route, type Speaking, speakingOf } from "./providers.ts";
import { isForbiddenHost } from "./reach.ts";
import type { Protocol } from "./surfaces.ts";
import { isSpoken } from "./translate/dialects.ts";

/** A model at a provider, with all that a call to it needs. */
export type Target = {
  readonly card: ModelCard;
  /** Its provider's name for it, as it stands in a request. */
  readonly nameBytes: Buffer;
  readonly origin: string;
  readonly speaking: Speaking;
  /** The way of a call in one of the provider's own protocols. */
  route(protocol: Protocol, stream: boolean): Route;
  /**
   * What it costs at a time, in seconds since 1970, which a call asks once. Null where no price is known:
   * such a model serves no key that has a budget.
   */
  tariff(at: number): Tariff | null;
};

/** The name that lets the gateway choose the model. */
export const AUTO = "auto";

/** What the gateway may call, and by which names; never changed, replaced as a whole. */
export type Targets = {
  readonly all: readonly Target[];
  /** What a name of a client's request stands for. */
  find(name: string, protocol: Protocol): Choice;
  /** All that can be called in a protocol, as it is or translated. */
  able(protocol: Protocol): readonly Target[];
  readonly names: readonly string[];
};

/**
 * The targets to try: in the given order, or, where they are equals, the one first that fares best, or that
 * had a prompt with the same beginning.
 */
export type Choice = { readonly targets: readonly Target[]; readonly by: "order" | "speed" | "prefix" };

/**
 * Names beside those of the models: each stands for one model, for several to try in order, or for several
 * among which calls are shared out: by how fast they answer, or so that prompts with the same beginning go to
 * the same one, which has it in its cache.
 */
export type Aliases = Readonly<Record<string, Alias>>;
type Alias = string | readonly string[] | AnyOf;
type AnyOf = { readonly anyOf: readonly string[]; readonly by?: "speed" | "prefix" };

/**
 * Puts models, keys and aliases behind names.
 *
 * @throws {InputError} `gateway-config` where an alias names no model, or an address cannot be called
 */
export function makeTargets(cards: readonly ModelCard[], keys: Keys, aliases: Aliases): Targets {
  const all = cards.flatMap((card) => targetOf(card, keys));
  const byName = new Map<string, Choice>();
  // A provider's own name of a model will do; where several serve it, they are tried in the listed order.
  for (const target of all) {
    const others = byName.get(target.card.model)?.targets ?? [];
    byName.set(target.card.model, { targets: [...others, target], by: "order" });
  }
  for (const target of all) byName.set(target.card.id, { targets: [target], by: "order" });
  const own = new Map(byName);
  for (const [alias, means] of Object.entries(aliases)) {
    const { models, by } = choiceOf(means);
    const meant = models.flatMap((model) => {
      const found = own.get(model);
      if (found !== undefined) return found.targets;
      const known = all.map(({ card }) => card.id).join(", ") || "none";
      throw new InputError({
        code: "gateway-config",
        message: `the gateway's alias ${alias} stands for ${model}, which is no configured model (${known})`,
      });
    });
    byName.set(alias, { targets: meant, by });
  }
  return {
    all,
    names: [...new Set([...Object.keys(aliases), ...all.map(({ card }) => card.id), AUTO])],
    able: (protocol) => all.filter(({ speaking }) => serves(speaking, protocol)),
    find(name, protocol) {
      const { targets, by } = byName.get(name) ?? NOTHING;
      return { targets: targets.filter(({ speaking }) => serves(speaking, protocol)), by };
    },
  };
}

const NOTHING: Choice = { targets: [], by: "order" };

function choiceOf(alias: Alias): { readonly models: readonly string[]; readonly by: Choice["by"] } {
  if (typeof alias === "string") return { models: [alias], by: "order" };
  if ("anyOf" in alias) return { models: alias.anyOf, by: alias.by ?? "speed" };
  return { models: alias, by: "order" };
}

/** Whether calls in a protocol can be made, as they are or translated. */
function serves({ protocols, translated }: Speaking, protocol: Protocol): boolean {
  return protocols.includes(protocol) || (isSpoken(protocol) && translated.length > 0);
}

function targetOf(card: ModelCard, keys: Keys): Target[] {
  const speaking = speakingOf(card, keys[card.id.slice(0, card.id.indexOf("/"))]);
  const base = card.baseUrl ?? speaking.base;
  if (base === null) return [];
  const url = URL.canParse(base) ? new URL(base) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "") {
    throw new InputError({
      code: "gateway-config",
      message: `model ${card.id} has the address ${base}; it must be http or https, without login and query`,
    });
  }
  if (isForbiddenHost(url)) {
    throw new InputError({
      code: "gateway-config",
      message: `model ${card.id} has the address ${base}, where no provider is; mend its baseUrl`,
    });
  }
  const below = url.pathname.replace(/\/+$/, "");
  const [whole, streamed] = [new Map<Protocol, Route>(), new Map<Protocol, Route>()];
  const route = (protocol: Protocol, stream: boolean): Route => {
    const routes = stream ? streamed : whole;
    const found = routes.get(protocol) ?? speaking.route(below, protocol, stream);
    if (!routes.has(protocol)) routes.set(protocol, found);
    return found;
  };
  const nameBytes = Buffer.from(JSON.stringify(card.model), "utf8");
  return [{ card, nameBytes, origin: url.origin, speaking, route, tariff: tariffs(card) }];
}

/** Prices change with time; looking them up takes longer than a call has, so once a second is enough. */
function tariffs(card: ModelCard): Target["tariff"] {
  let known: { readonly at: number; readonly tariff: Tariff | null } | null = null;
  return (at) => {
    known =
      known?.at === at ? known : { at, tariff: sameOr(known?.tariff, tariffOf(card, new Date(at * 1000))) };
    return known.tariff;
  };
}

/** The tariff of before where its prices are the same: its prices are written once for many rows. */
function sameOr(before: Tariff | null | undefined, now: Tariff | null): Tariff | null {
  return before !== null && before !== undefined && isDeepStrictEqual(before.rates, now?.rates)
    ? before
    : now;
}
