import { microUsd, type Tokens, tokens } from "../kernel/index.ts";
import type { Served } from "../calls/index.ts";
import { CHARGED_FIELDS, isUnbounded, servedOf } from "./charges.ts";
import { ENVELOPE_MARK, makeSeals, type Seals } from "./envelope.ts";
import type { Asked, Attempt, Plan, Snapshot, Wishes } from "./planned.ts";
import { passed, passingOf, type Sent, translated } from "./fit.ts";
import { type Field, namesOf, scanObject, valueOf } from "./scan.ts";
import type { Refusal, Surface } from "./surfaces.ts";
import type { Target } from "./targets.ts";
import { namesIn, resolve, speaks } from "./resolve.ts";
import { issuersIn } from "./thoughts.ts";

export type { Asked, Attempt, Health, Plan, Snapshot, Wishes } from "./planned.ts";

/** A caller who wishes for nothing. */
export const noWishes: Wishes = { hedgeMs: null, restart: false, drop: new Set() };

const STATEFUL = ["previous_response_id", "conversation", "background", "prompt"] as const;
const PROMPTS = ["system", "instructions", "messages", "input"] as const;
const FIELDS = namesOf(
  ...PROMPTS,
  ...["model", "stream", "stream_options", "store", "n", ...STATEFUL],
  ...["max_completion_tokens", "max_tokens", "max_output_tokens"],
  ...CHARGED_FIELDS,
);
/** What a provider adds to a prompt: roles, separators, its instructions for tools. */
const FRAME_TOKENS = 4096;
/** The most input of a call whose model's context is not known and which names things to be fetched. */
const CONTEXT_TOKENS_MAX = 2_000_000;
const TRUE = Buffer.from("true");

/**
 * Decides a request from its bytes, a key and what may be called; does nothing and remembers nothing. The
 * HTTP server and agents in the same process share it.
 */
export function plan(asked: Asked, snapshot: Snapshot): Plan {
  const { surface, body, key } = asked;
  const scan = scanObject(body, FIELDS);
  if (scan.kind === "refused") return refused(400, "invalid_json", scan.because);
  const field = (name: string): Field | undefined => scan.fields.get(name);
  const names = namesIn(valueOf(body, field("model")));
  if (names === null) {
    return refused(400, "model_missing", "the field model must name a model, or several, or be auto");
  }
  const stateful = statefulField(surface, body, field);
  if (stateful !== null) {
    return refused(400, "stateless_api", `${stateful}: nothing is kept here, so send the whole conversation`);
  }
  const found = resolve(names, asked, snapshot, {
    prompt: () => promptOf(body, field),
    outputMax: (target) => Number(outputMaxOf(surface, body, field, target)),
  });
  if (found.kind === "refused") return found;
  const model = names.join(", ");
  const stream = isTrue(body, field("stream"));
  const seals = makeSeals(snapshot.sealKey, key.tenant);
  const ordered = ownersFirst(found.targets, body, seals);
  const passing = passingOf(surface, body, { field, open: scan.open, stream });
  const served = servedOf(body, field);
  const costing = { served, unbounded: isUnbounded(body, served) };
  const attempts: Attempt[] = [];
  let refusal: Refusal | null = null;
  for (const target of ordered) {
    const fitted = speaks(target, surface)
      ? passed(passing, target, seals)
      : translated(asked, target, { seals, stream, model, usage: passing.usageAsked });
    if (fitted.kind === "refused") {
      refusal ??= fitted.refusal;
      continue;
    }
    const attempt = attemptOf(fitted.fitted, asked, { ...costing, field, target });
    if (attempt.paced > (key.tokensPerMinute ?? Infinity)) refusal ??= neverFits(attempt.paced, key);
    else attempts.push(attempt);
  }
  if (attempts.length === 0 && refusal !== null) return { kind: "refused", refusal };
  return { kind: "call", model, stream, wishes: asked.wishes, attempts };
}

/** What is sent, with the most that it can come to. */
function attemptOf(sent: Sent, asked: Asked, { served, unbounded, field, target }: Costing): Attempt {
  const { surface, body, pricedAt, key } = asked;
  const inputMax = inputMaxOf(sent.body, unbounded, target);
  const outputMax = outputMaxOf(surface, body, field, target);
  const tariff = target.tariff(pricedAt);
  const most = Number(inputMax) + Number(outputMax);
  // Nobody knows how much a picture is before it is read: it waits for a minute of its own at most.
  const bounded = unbounded ? Math.min(most, key.tokensPerMinute ?? most) : most;
  return {
    target,
    path: sent.path,
    query: sent.query,
    headers: sent.headers,
    body: sent.body,
    translated: sent.translated,
    told: sent.told,
    tap: sent.tap,
    inputMax,
    outputMax,
    tariff,
    served,
    paced: surface.billed ? bounded : 0,
    worst: surface.billed ? (tariff?.worst(inputMax, outputMax, served) ?? NO_PRICE) : FREE,
  };
}

type Costing = {
  readonly served: Served;
  readonly unbounded: boolean;
  readonly field: Find;
  readonly target: Target;
};
const FREE: Attempt["worst"] = { kind: "known", amount: microUsd(0) };
const NO_PRICE: Attempt["worst"] = { kind: "unknown", because: "no price is known for it" };

function neverFits(most: number, { tokensPerMinute }: Asked["key"]): Refusal {
  const message =
    `this call may use ${most} tokens, and its key ${tokensPerMinute ?? 0} a minute: ` +
    "state a smaller output, send less, or have the key's limit raised";
  return { status: 400, code: "call_beyond_limit", message };
}

/** Whoever sealed the thoughts that come with a call is asked first: it alone can read them. */
function ownersFirst(ordered: readonly Target[], body: Buffer, seals: Seals): readonly Target[] {
  if (ordered.length < 2 || !body.includes(ENVELOPE_MARK)) return ordered;
  const issuers = issuersIn(body, seals);
  const owns = ({ card }: Target): boolean => issuers.has(card.id);
  return [...ordered.filter(owns), ...ordered.filter((target) => !owns(target))];
}

/** The prompt, from where it begins. */
function promptOf(body: Buffer, field: Find): Buffer {
  const starts = PROMPTS.flatMap((name) => field(name)?.start ?? []);
  return starts.length === 0 ? body : body.subarray(Math.min(...starts));
}

function refused(status: number, code: string, message: string): Plan {
  return { kind: "refused", refusal: { status, code, message } };
}

type Find = (name: string) => Field | undefined;

/** The first field that would make somebody keep something. */
function statefulField(surface: Surface, body: Buffer, field: Find): string | null {
  if (surface.protocol === "openai-chat") return isTrue(body, field("store")) ? "store" : null;
  if (surface.protocol !== "openai-responses") return null;
  if (isTrue(body, field("store"))) return "store";
  for (const name of STATEFUL) {
    const value = valueOf(body, field(name));
    if (value !== undefined && value !== null && value !== false) return name;
  }
  return null;
}

function isTrue(body: Buffer, field: Field | undefined): boolean {
  return field !== undefined && body.subarray(field.start, field.end).equals(TRUE);
}

/** A token is at least one byte of text, so bytes bound it where everything is contained. */
function inputMaxOf(body: Buffer, unbounded: boolean, { card }: Target): Tokens {
  const context = card.contextTokens ?? CONTEXT_TOKENS_MAX;
  return tokens(unbounded ? context : Math.min(body.length + FRAME_TOKENS, context));
}

function outputMaxOf(surface: Surface, body: Buffer, field: Find, { card }: Target): Tokens {
  if (surface.protocol === "openai-embeddings") return tokens(0);
  // Where several are stated, engines differ in which one holds.
  const stated = surface.outputFields.map((name) => wholeIn(body, field(name), 0) ?? -1);
  const most = Math.max(-1, ...stated);
  const choices = wholeIn(body, field("n"), 1) ?? 1;
  return tokens(BigInt(most < 0 ? card.outputTokensMax : most) * BigInt(choices));
}

/** The whole number of a field, where there is one that is no smaller than `least`. */
function wholeIn(body: Buffer, field: Field | undefined, least: number): number | null {
  const value = valueOf(body, field);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least ? value : null;
}
