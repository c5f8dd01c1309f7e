import { type Tariff, tariffOf } from "../calls/index.ts";
import { InputError } from "../kernel/index.ts";
import type { Keys, ModelCard } from "../models/index.ts";
import type { Protocol } from "./surfaces.ts";

/** A model at a provider, with all that a call to it needs. */
export type Target = {
  readonly card: ModelCard;
  readonly protocols: readonly Protocol[];
  readonly origin: string;
  /** What comes before the surface's path, such as `/v1`. */
  readonly base: string;
  /** The provider's own headers: its key, its version. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null where no price is known: such a model serves no key that has a budget. */
  readonly tariff: Tariff | null;
};

/** What the gateway may call, and by which names; never changed, replaced as a whole. */
export type Targets = {
  readonly all: readonly Target[];
  /** Names of a client's request to the targets to try, in order. */
  find(name: string, protocol: Protocol): readonly Target[];
  readonly names: readonly string[];
};

/** Names beside those of the models: each stands for one model, or for several to try in order. */
export type Aliases = Readonly<Record<string, string | readonly string[]>>;

const OPENAI: readonly Protocol[] = ["openai-chat", "openai-responses", "openai-embeddings"];
const SPOKEN: Readonly<Record<ModelCard["provider"], readonly Protocol[]>> = {
  openai: OPENAI,
  "openai-compatible": OPENAI,
  anthropic: ["anthropic-messages"],
  // By Google's own OpenAI-compatible address.
  google: ["openai-chat", "openai-embeddings"],
};
const BASES: Readonly<Record<ModelCard["provider"], string | null>> = {
  openai: "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com/v1",
  google: "https://generativelanguage.googleapis.com/v1beta/openai",
  "openai-compatible": null,
};
/** Sent where the client names none; it names one as a rule. */
const ANTHROPIC_VERSION = "2023-06-01";

/**
 * Puts models, keys and aliases behind names.
 *
 * @throws {InputError} `gateway-config` where an alias names no model, or an address cannot be called
 */
export function makeTargets(cards: readonly ModelCard[], keys: Keys, aliases: Aliases, at: Date): Targets {
  const all = cards.flatMap((card) => targetOf(card, keys, at));
  const byName = new Map<string, readonly Target[]>();
  // A provider's own name of a model will do; where several serve it, they are tried in the listed order.
  for (const target of all) {
    byName.set(target.card.model, [...(byName.get(target.card.model) ?? []), target]);
  }
  for (const target of all) byName.set(target.card.id, [target]);
  const own = new Map(byName);
  for (const [alias, models] of Object.entries(aliases)) {
    const meant = [models].flat().map((model) => {
      const found = own.get(model);
      if (found !== undefined) return found;
      const known = all.map(({ card }) => card.id).join(", ") || "none";
      throw new InputError({
        code: "gateway-config",
        message: `the gateway's alias ${alias} stands for ${model}, which is no configured model (${known})`,
      });
    });
    byName.set(alias, meant.flat());
  }
  return {
    all,
    names: [...new Set([...Object.keys(aliases), ...all.map(({ card }) => card.id)])],
    find: (name, protocol) =>
      (byName.get(name) ?? []).filter(({ protocols }) => protocols.includes(protocol)),
  };
}

function targetOf(card: ModelCard, keys: Keys, at: Date): Target[] {
  const base = card.baseUrl ?? BASES[card.provider];
  if (base === null) return [];
  const url = URL.canParse(base) ? new URL(base) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "") {
    throw new InputError({
      code: "gateway-config",
      message: `model ${card.id} has the address ${base}; it must be http or https, without login and query`,
    });
  }
  const key = keys[card.id.slice(0, card.id.indexOf("/"))];
  return [
    {
      ...{
        card,
        protocols: SPOKEN[card.provider],
        origin: url.origin,
        base: url.pathname.replace(/\/+$/, ""),
      },
      ...{ headers: authOf(card, key), tariff: tariffOf(card, at) },
    },
  ];
}

function authOf(card: ModelCard, key: string | undefined): Readonly<Record<string, string>> {
  if (card.provider === "anthropic") {
    const version = { "anthropic-version": ANTHROPIC_VERSION };
    return key === undefined ? version : { ...version, "x-api-key": key };
  }
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}
