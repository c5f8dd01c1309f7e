import type { Asked, Attempt } from "./planned.ts";
import type { Seals } from "./envelope.ts";
import { type Edit, edited, type Field, valueOf } from "./scan.ts";
import type { Wrapping } from "./providers.ts";
import { type Refusal, type Surface, surfaces } from "./surfaces.ts";
import type { Target } from "./targets.ts";
import { hasThoughts, sealingTap, unwrap } from "./thoughts.ts";
import { type Heard, isSpoken } from "./translate/dialects.ts";
import { askedIn, translate, type Translated } from "./translate/translate.ts";
import { blindTap, streamTap, wholeTap } from "./usage-tap.ts";

/** A request made to fit one model: what is sent, and what its answer goes through. */
export type Fitted =
  | { readonly kind: "fitted"; readonly fitted: Sent }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** What is sent, and what its answer goes through. */
export type Sent = Pick<Attempt, "path" | "query" | "headers" | "body" | "translated" | "told" | "tap">;

/** What is the same for all models that speak the client's protocol. */
export type Passing = {
  readonly surface: Surface;
  readonly body: Buffer;
  readonly stream: boolean;
  readonly model: Field | undefined;
  readonly edits: readonly Edit[];
  readonly tap: Attempt["tap"];
  /** Whether a chat stream is to end with usage because the client asked for it. */
  readonly usageAsked: boolean;
  /** Whether sealed thoughts come or may be answered. */
  readonly thoughts: boolean;
};

type Found = {
  readonly field: (name: string) => Field | undefined;
  readonly open: number;
  readonly stream: boolean;
};

/** Prepares what every passing attempt shares: only `store` and the usage wish are edited. */
export function passingOf(surface: Surface, body: Buffer, { field, open, stream }: Found): Passing {
  const edits: Edit[] = [];
  if (surface.protocol === "openai-responses") edits.push(setFalse("store", field("store"), open));
  const streamsChat = surface.protocol === "openai-chat" && stream;
  const usage = streamsChat ? askUsage(body, field, open) : null;
  if (usage !== null) edits.push(usage);
  return {
    surface,
    body,
    stream,
    edits,
    model: field("model"),
    tap: tapFor(surface, stream, usage !== null),
    usageAsked: streamsChat && usage === null,
    thoughts: THINKING.has(surface.protocol) && hasThoughts(body),
  };
}

const THINKING: ReadonlySet<string> = new Set(["openai-responses"]);

/** The client's own bytes, for a model that speaks its protocol. */
export function passed(passing: Passing, target: Target, seals: Seals): Fitted {
  const { surface, body, model, edits, stream } = passing;
  const { path, query, headers } = routeOf(target, surface, stream);
  const { nameBytes } = target;
  const same =
    model === undefined || body.compare(nameBytes, 0, nameBytes.length, model.start, model.end) === 0;
  const renamed = same ? edits : [...edits, { ...model, by: nameBytes.toString("utf8") }];
  const sent = unwrap(edited(body, renamed), seals, target.card.id);
  if (sent.kind === "forged") return { kind: "refused", refusal: FORGED };
  const { wrapping } = target.speaking;
  const tap: Attempt["tap"] = !passing.thoughts
    ? passing.tap
    : (status) => {
        const inner = passing.tap(status);
        return status < 400 ? sealingTap(inner, seals, target.card.id, stream) : inner;
      };
  const told = strippedTold(sent.stripped);
  const fitted: Sent = {
    path,
    query: query === "" ? null : query,
    headers,
    body: sent.body,
    translated: false,
    told,
    tap,
  };
  if (wrapping === undefined) return { kind: "fitted", fitted };
  return {
    kind: "fitted",
    fitted: { ...fitted, ...wrapped({ query, body: sent.body, tap }, wrapping, stream) },
  };
}

type Wrapped = Pick<Attempt, "query" | "body" | "tap">;

/** In a provider's own wrapping: the client's query is not the provider's, and errors come unwrapped. */
function wrapped({ query, body, tap }: Wrapped, wrapping: Wrapping, stream: boolean): Wrapped {
  return {
    ...{ query, body: wrapping.body(body) },
    tap: (status) => (status < 400 ? wrapping.tap(tap(status), stream) : tap(status)),
  };
}

/** What a surface is called below the provider's address; counting tokens stands below its messages. */
function routeOf(target: Target, surface: Surface, stream: boolean): ReturnType<Target["route"]> {
  const route = target.route(surface.protocol, stream);
  const { below } = surface;
  return below === "" ? route : { ...route, path: `${route.path}${below}` };
}

const FORGED: Refusal = {
  ...{ status: 400, code: "reasoning_envelope_invalid" },
  message: "a sealed thought in this request was not answered here to this tenant, or was changed since",
};

type Wishes = {
  readonly seals: Seals;
  readonly stream: boolean;
  readonly model: string;
  readonly usage: boolean;
};

/** The client's words in a protocol that the model speaks: the one in which the least is lost. */
export function translated(asked: Asked, target: Target, wishes: Wishes): Fitted {
  const { card, speaking } = target;
  const { protocol } = asked.surface;
  const body = askedIn(asked.body);
  if (body === null || !isSpoken(protocol)) return { kind: "refused", refusal: NO_JSON };
  const call = {
    ...{ from: protocol, asked: body, drop: asked.wishes.drop, seals: wishes.seals, issuer: card.id },
    write: {
      ...{ model: card.model, stream: wishes.stream, outputMax: card.outputTokensMax },
      compatible: speaking.compatible,
    },
    sayFor: { at: asked.at, model: wishes.model, id: asked.id, usage: wishes.usage },
  };
  let best: { readonly to: Heard; readonly made: Translated } | null = null;
  for (const to of speaking.translated) {
    const made = translate(call, to);
    if (best === null || lossOf(made) < lossOf(best.made)) best = { to, made };
    if (lossOf(made) === 0) break;
  }
  if (best === null) return { kind: "refused", refusal: NO_JSON };
  const { to, made } = best;
  if (made.kind === "refused") return made;
  const { path, query, headers } = target.route(to, wishes.stream);
  const sent = { query, tap: made.tap, body: Buffer.from(JSON.stringify(made.body), "utf8") };
  return {
    kind: "fitted",
    fitted: {
      ...{ path, headers, translated: true },
      ...(speaking.wrapping === undefined ? sent : wrapped(sent, speaking.wrapping, wishes.stream)),
      told: {
        "x-factotum-translated": to,
        ...(made.dropped.length > 0 && { "x-factotum-dropped": named(made.dropped) }),
        ...(made.near.length > 0 && { "x-factotum-approximated": named(made.near) }),
        ...strippedTold(made.stripped),
      },
    },
  };
}

const NO_JSON: Refusal = { status: 400, code: "invalid_json", message: "the body must be one JSON object" };
const NAMES_MAX = 20;

function lossOf(made: Translated): number {
  return made.kind === "refused" ? Infinity : made.dropped.length;
}

function named(fields: readonly string[]): string {
  const more = fields.length > NAMES_MAX ? ", ..." : "";
  return `${fields.slice(0, NAMES_MAX).join(", ")}${more}`;
}

const NOTHING_TOLD: Readonly<Record<string, string>> = {};

/** Says that thoughts of another model were taken out. */
function strippedTold(count: number): Readonly<Record<string, string>> {
  return count === 0 ? NOTHING_TOLD : { "x-factotum-reasoning-stripped": String(count) };
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

function setFalse(name: string, found: Field | undefined, open: number): Edit {
  return found === undefined ? { start: open, end: open, by: `"${name}":false,` } : { ...found, by: "false" };
}

/** Asks for the usage event of a chat stream; null where the client asked for it itself. */
function askUsage(body: Buffer, field: Found["field"], open: number): Edit | null {
  const found = field("stream_options");
  const asked = valueOf(body, found);
  if (found === undefined) return { start: open, end: open, by: '"stream_options":{"include_usage":true},' };
  if (typeof asked !== "object" || asked === null) return { ...found, by: '{"include_usage":true}' };
  if ("include_usage" in asked && asked.include_usage === true) return null;
  return { ...found, by: JSON.stringify({ ...asked, include_usage: true }) };
}
