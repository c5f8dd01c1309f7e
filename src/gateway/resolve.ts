import { byPrefix } from "./affinity.ts";
import { cheapestFits, needsOf } from "./auto.ts";
import type { KeyRecord } from "./keys.ts";
import type { Asked, Health, Snapshot } from "./planned.ts";
import type { Refusal, Surface } from "./surfaces.ts";
import { AUTO, type Choice, type Target } from "./targets.ts";

/** The models to try, in order, or why there is none. */
export type Resolved =
  | { readonly kind: "found"; readonly targets: readonly Target[] }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** What a request says about its prompt and the length of its answer. */
export type Said = {
  /** The prompt from its first byte on. */
  readonly prompt: () => Buffer;
  readonly outputMax: (target: Target) => number;
};

const NAMES_MAX = 16;
/** A name is written down with its call, and Postgres takes neither a NUL nor half of a surrogate pair. */
const NAME = /^[^\p{Cc}\p{Cs}]{1,500}$/u;

/**
 * The names in a request's field `model`: one, several in a list or behind commas, to be tried in order, or
 * `auto` alone. Null for anything else.
 */
export function namesIn(value: unknown): readonly string[] | null {
  const names = typeof value === "string" ? value.split(",").map((name) => name.trim()) : value;
  const isList = (list: unknown): list is readonly string[] =>
    Array.isArray(list) && list.every((name) => typeof name === "string" && NAME.test(name));
  return isList(names) && names.length > 0 && names.length <= NAMES_MAX ? names : null;
}

/** Puts models to names, for a key, each model once. */
export function resolve(
  names: readonly string[],
  asked: Asked,
  { targets, health, forbids }: Pick<Snapshot, "targets" | "health" | "forbids">,
  said: Said,
): Resolved {
  const { key, surface } = asked;
  const found: Target[] = [];
  let served = false;
  /** The clause that forbids what would have been asked. */
  let forbidden: string | null = null;
  for (const name of names) {
    const named = targets.find(name, surface.protocol);
    // `auto` may be somebody's alias; then it is that.
    const auto = name === AUTO && named.targets.length === 0;
    const choice: Choice = auto ? { targets: targets.able(surface.protocol), by: "order" } : named;
    const able = choice.targets.filter((target) => surface.below === "" || hasBeside(target, surface));
    served ||= able.length > 0;
    const usable = able.filter(({ card }) => mayUse(key, name, card.id));
    const allowed = usable.filter(({ card }) => forbids(card) === null);
    if (allowed.length === 0) {
      forbidden ??= usable[0] === undefined ? null : forbids(usable[0].card);
      continue;
    }
    if (!auto) found.push(...inOrder(allowed, choice, health, said));
    else {
      const fits = cheapestFits(allowed, needsOf(asked.body), { ...said, at: asked.pricedAt });
      if (fits.kind === "none" && names.length === 1) return refused(400, "no_model_fits", fits.because);
      if (fits.kind === "fit") found.push(...awakeFirst(fits.targets, health));
    }
  }
  const once = found.length < 2 ? found : [...new Set(found)];
  if (once.length > 0) return { kind: "found", targets: once };
  if (forbidden !== null) return refused(403, "not_served", forbidden);
  return noModel(names.join(", "), surface, served);
}

/** Whether a key may call a model, by the name it was asked for or by the model's own. */
export function mayUse(key: KeyRecord, name: string, id: string): boolean {
  return key.models === null || key.models.has(name) || key.models.has(id);
}

/** Whether a model is asked in the client's own protocol. */
export function speaks({ speaking }: Target, { protocol }: Surface): boolean {
  return speaking.protocols.includes(protocol);
}

/** Whether what stands beside a protocol's calls is there: in a wrapping there are the calls alone. */
function hasBeside(target: Target, surface: Surface): boolean {
  return speaks(target, surface) && target.speaking.wrapping === undefined;
}

function inOrder(
  allowed: readonly Target[],
  { by }: Choice,
  health: Health,
  { prompt }: Said,
): readonly Target[] {
  if (allowed.length < 2) return allowed;
  if (by === "prefix") return awakeFirst(byPrefix(allowed, prompt()), health);
  if (by === "order") return awakeFirst(allowed, health);
  const swift = allowed.toSorted((a, b) => health.delayMs(a.card.id) - health.delayMs(b.card.id));
  return awakeFirst(swift, health);
}

/** Those at rest come last, as a call that has no other is tried all the same. */
function awakeFirst(targets: readonly Target[], health: Health): readonly Target[] {
  const rests = ({ card }: Target): boolean => health.rests(card.id);
  if (targets.length < 2 || !targets.some(rests)) return targets;
  return [...targets.filter((target) => !rests(target)), ...targets.filter(rests)];
}

function noModel(model: string, surface: Surface, refusedByKey: boolean): Resolved {
  const shown = JSON.stringify(model.slice(0, 100));
  return refusedByKey
    ? refused(403, "model_not_allowed", `this key may not call ${shown}; GET /v1/models lists what it may`)
    : refused(404, "model_not_found", `no model ${shown} is served at ${surface.name}; see GET /v1/models`);
}

function refused(status: number, code: string, message: string): Resolved {
  return { kind: "refused", refusal: { status, code, message } };
}
