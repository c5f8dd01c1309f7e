import { type MicroUsd, microUsd, type ModelId, type Tokens, tokens } from "../kernel/index.ts";
import type { KeyRecord } from "./keys.ts";
import { type Edit, edited, type Field, scanObject, valueOf } from "./scan.ts";
import { type Refusal, type Surface, surfaces } from "./surfaces.ts";
import type { Target, Targets } from "./targets.ts";
import { blindTap, streamTap, type UsageTap, wholeTap } from "./usage-tap.ts";

/** A request as it came, and whose it is: all that a plan is made from beside the snapshot. */
export type Asked = {
  readonly surface: Surface;
  readonly body: Buffer;
  readonly key: KeyRecord;
  readonly wishes: Wishes;
};

/** What a caller may say beside the protocol. */
export type Wishes = {
  /** After so long without an answer the next model is asked as well, and the first to answer is heard. */
  readonly hedgeMs: number | null;
  /** A stream that breaks off after its first bytes may begin anew with the next model. */
  readonly restart: boolean;
};

/** A caller who wishes for nothing. */
export const noWishes: Wishes = { hedgeMs: null, restart: false };

/** What may be called, and how it fares; replaced as a whole. */
export type Snapshot = { readonly targets: Targets; readonly health: Health };

/** How models fare, as far as this replica has seen. */
export type Health = {
  /** Whether a model failed so often, or asked for so much time, that others are to be tried first. */
  rests(model: ModelId): boolean;
  /** How long a call would wait for its first byte now, about; smaller is better. */
  delayMs(model: ModelId): number;
};

/** One try of a call: the bytes to send, and the most that they can cost. */
export type Attempt = {
  readonly target: Target;
  /** Below the provider's origin, without a query. */
  readonly path: string;
  readonly body: Buffer;
  /** What reads the answer as it passes, and makes of it what the client is to get. */
  readonly tap: (status: number) => UsageTap;
  readonly inputMax: Tokens;
  readonly outputMax: Tokens;
  /** Null where the model has no known price. */
  readonly worst: MicroUsd | null;
};

/** What is to be done with a request. */
export type Plan =
  | {
      readonly kind: "call";
      /** What the client calls the model. */
      readonly model: string;
      readonly stream: boolean;
      readonly wishes: Wishes;
      /** In order; the next is tried only while nothing was answered. */
      readonly attempts: readonly Attempt[];
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };

const STATEFUL = ["previous_response_id", "conversation", "background", "prompt"] as const;
const FIELDS: ReadonlySet<string> = new Set([
  ...["model", "stream", "stream_options", "store", "n", ...STATEFUL],
  ...["max_completion_tokens", "max_tokens", "max_output_tokens"],
]);
/** What a provider adds to a prompt: roles, separators, its instructions for tools. */
const FRAME_TOKENS = 4096;
/** The most input of a call whose model's context is not known and which names things to be fetched. */
const CONTEXT_TOKENS_MAX = 2_000_000;
/** What a request can name without containing it: its tokens are then not bounded by its bytes. */
const BY_REFERENCE = [Buffer.from('url"'), Buffer.from('file_id"')];
const TRUE = Buffer.from("true");

/**
 * Decides a request from its bytes, a key and what may be called; does nothing and remembers nothing. The
 * HTTP server and agents in the same process share it.
 */
export function plan({ surface, body, key, wishes }: Asked, { targets, health }: Snapshot): Plan {
  const scan = scanObject(body, FIELDS);
  if (scan.kind === "refused") return refused(400, "invalid_json", scan.because);
  const { fields, open } = scan;
  const field = (name: string): Field | undefined => fields.get(name);
  const model = valueOf(body, field("model"));
  if (typeof model !== "string" || model === "") {
    return refused(400, "model_missing", "the field model must name a model");
  }
  const stateful = statefulField(surface, body, field);
  if (stateful !== null) {
    return refused(400, "stateless_api", `${stateful}: nothing is kept here, so send the whole conversation`);
  }
  const found = targets.find(model, surface.protocol);
  const allowed = found.targets.filter(({ card }) => mayUse(key, model, card.id));
  if (allowed.length === 0) return noModel(model, surface, found.targets.length > 0);
  const stream = isTrue(body, field("stream"));
  const edits: Edit[] = [];
  if (surface.protocol === "openai-responses") edits.push(setFalse("store", field("store"), open));
  const usage = surface.protocol === "openai-chat" && stream ? askUsage(body, field, open) : null;
  if (usage !== null) edits.push(usage);
  const tap = tapFor(surface, stream, usage !== null);
  const attempts = inOrder(allowed, found.balanced, health).map((target): Attempt => {
    const named = field("model");
    const renamed =
      model === target.card.model || named === undefined
        ? []
        : [{ ...named, by: JSON.stringify(target.card.model) }];
    const sent = edited(body, [...edits, ...renamed]);
    const inputMax = inputMaxOf(sent, target);
    const outputMax = outputMaxOf(surface, body, field, target);
    const free = surface.billed ? (target.tariff?.worst(inputMax, outputMax) ?? null) : microUsd(0);
    const path = `${target.base}${surface.path}`;
    return { target, path, body: sent, tap, inputMax, outputMax, worst: free };
  });
  return { kind: "call", model, stream, wishes, attempts };
}

/** Those at rest come last, as a call that has no other is tried all the same; equals by how they fare. */
function inOrder(allowed: readonly Target[], balanced: boolean, health: Health): readonly Target[] {
  if (allowed.length < 2) return allowed;
  const awake = allowed.filter(({ card }) => !health.rests(card.id));
  const resting = allowed.filter(({ card }) => health.rests(card.id));
  if (!balanced) return [...awake, ...resting];
  const swift = awake.toSorted((a, b) => health.delayMs(a.card.id) - health.delayMs(b.card.id));
  return [...swift, ...resting];
}

const WHOLE = new Map(
  [...surfaces.values()].map(({ protocol }) => [protocol, () => wholeTap(protocol)] as const),
);

/** An error is no stream, and has no usage to be taken out. */
function tapFor(surface: Surface, stream: boolean, strip: boolean): Attempt["tap"] {
  if (!surface.billed) return blindTap;
  if (stream) return (status) => (status < 400 ? streamTap(strip) : blindTap());
  return WHOLE.get(surface.protocol) ?? blindTap;
}

/** Whether a key may call a model, by the name it was asked for or by the model's own. */
export function mayUse(key: KeyRecord, name: string, id: string): boolean {
  return key.models === null || key.models.has(name) || key.models.has(id);
}

function noModel(model: string, surface: Surface, refusedByKey: boolean): Plan {
  const shown = JSON.stringify(model.slice(0, 100));
  return refusedByKey
    ? refused(403, "model_not_allowed", `this key may not call ${shown}; GET /v1/models lists what it may`)
    : refused(404, "model_not_found", `no model ${shown} is served at ${surface.name}; see GET /v1/models`);
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

function setFalse(name: string, found: Field | undefined, open: number): Edit {
  return found === undefined ? { start: open, end: open, by: `"${name}":false,` } : { ...found, by: "false" };
}

/** Asks for the usage event of a chat stream; null where the client asked for it itself. */
function askUsage(body: Buffer, field: Find, open: number): Edit | null {
  const found = field("stream_options");
  const asked = valueOf(body, found);
  if (found === undefined) return { start: open, end: open, by: '"stream_options":{"include_usage":true},' };
  if (typeof asked !== "object" || asked === null) return { ...found, by: '{"include_usage":true}' };
  if ("include_usage" in asked && asked.include_usage === true) return null;
  return { ...found, by: JSON.stringify({ ...asked, include_usage: true }) };
}

/** A token is at least one byte of text, so bytes bound it where everything is contained. */
function inputMaxOf(body: Buffer, { card }: Target): Tokens {
  const refers = BY_REFERENCE.some((name) => body.includes(name));
  const context = card.contextTokens ?? CONTEXT_TOKENS_MAX;
  return tokens(refers ? context : Math.min(body.length + FRAME_TOKENS, context));
}

function outputMaxOf(surface: Surface, body: Buffer, field: Find, { card }: Target): Tokens {
  if (surface.protocol === "openai-embeddings") return tokens(0);
  const stated = surface.outputFields
    .map((name) => valueOf(body, field(name)))
    .find((value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0);
  const choices = valueOf(body, field("n"));
  const count = typeof choices === "number" && Number.isSafeInteger(choices) && choices > 0 ? choices : 1;
  return tokens(BigInt(typeof stated === "number" ? stated : card.outputTokensMax) * BigInt(count));
}
