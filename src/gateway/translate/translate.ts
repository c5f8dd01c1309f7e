import type { JsonObject } from "../../kernel/index.ts";
import type { Seals } from "../envelope.ts";
import type { Refusal } from "../surfaces.ts";
import type { UsageTap } from "../usage-tap.ts";
import type { Ask, Part, Said, Sealed } from "./ask.ts";
import { dialects, type Heard, heardDialects, type Spoken } from "./dialects.ts";
import { isObject, Losses, MalformedError } from "./fields.ts";
import { type Between, errorRewriter, streamRewriter, wholeRewriter } from "./rewrite.ts";
import type { SayFor } from "./saying.ts";
import type { WriteFor } from "./wanted.ts";

/** What the client says may be dropped: names of fields without their places in lists, or `*` for all. */
export type Droppable = ReadonlySet<string>;

/** A call to be made in another protocol than its client's. */
export type ToTranslate = {
  /** The client's protocol. */
  readonly from: Spoken;
  readonly asked: JsonObject;
  readonly drop: Droppable;
  readonly seals: Seals;
  /** The model that is asked: the only one that can read its own sealed thoughts. */
  readonly issuer: string;
  readonly write: WriteFor;
  readonly sayFor: Omit<SayFor, "asked">;
};

/** A call in the provider's protocol, and what of it was changed by that. */
export type Translated =
  | {
      readonly kind: "translated";
      readonly body: JsonObject;
      /** Fields that were dropped, as the client allowed. */
      readonly dropped: readonly string[];
      /** Fields that are said by something close to them. */
      readonly near: readonly string[];
      /** Thoughts of other models that were taken out. */
      readonly stripped: number;
      readonly tap: (status: number) => UsageTap;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };

const FIELDS_SHOWN_MAX = 5;
const NAME_CHARS_MAX = 100;

/** Translates a request into a provider's protocol; its answer comes back through `tap`. */
export function translate(call: ToTranslate, to: Heard): Translated {
  const { from, asked, write, issuer, seals } = call;
  const losses = new Losses();
  let body: JsonObject;
  try {
    const ask = withOwnThoughts(dialects[from].read(asked, losses), seals, issuer, losses);
    body = heardDialects[to].write(ask, write, losses);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return refused(400, "invalid_request", shown(error.message));
  }
  const lost = losses.lost.filter((at) => !mayDrop(call.drop, at));
  if (lost.length > 0) {
    const names = lost.slice(0, FIELDS_SHOWN_MAX).map(shown).join(", ");
    const drop = [...new Set(lost.slice(0, FIELDS_SHOWN_MAX).map(nameOf))].join(", ");
    const message =
      `${names}: not to be kept when this call is translated for ${issuer}, which speaks ${to};` +
      ` leave it out, or send the header x-factotum-drop: ${shown(drop)}`;
    return {
      kind: "refused",
      refusal: { status: 400, code: "untranslatable", message, field: shown(lost[0] ?? "") },
    };
  }
  const between: Between = {
    ...{ from: to, to: from, sayFor: { ...call.sayFor, asked } },
    wrapping: () => wrapping(seals, issuer),
  };
  return {
    ...{ kind: "translated", body, dropped: losses.lost.map(shown), near: losses.near.map(shown) },
    stripped: losses.stripped,
    tap: (status) =>
      status >= 400
        ? errorRewriter(between, status)
        : write.stream
          ? streamRewriter(between)
          : wholeRewriter(between),
  };
}

/** A request's body as an object. */
export function askedIn(body: Buffer): JsonObject | null {
  try {
    const asked: unknown = JSON.parse(body.toString("utf8"));
    return isObject(asked) ? asked : null;
  } catch {
    return null;
  }
}

/** Keeps the thoughts that the asked model sealed itself, opened; nobody else can read the others. */
function withOwnThoughts(ask: Ask, seals: Seals, issuer: string, losses: Losses): Ask {
  const turns = ask.turns.map((turn) => ({
    ...turn,
    parts: turn.parts.flatMap((part): Part[] => {
      if (part.kind !== "thinking") return [part];
      const opened = part.sealed === null ? null : seals.open(part.sealed.data);
      if (opened === "forged") throw new MalformedError(part.at, "as it was answered: its seal is broken");
      const own = opened?.issuer === issuer;
      if (own) return opened.sealed.data === "" ? [] : [{ ...part, sealed: opened.sealed }];
      losses.stripped += 1;
      return [];
    }),
  }));
  return { ...ask, turns };
}

/**
 * Puts seals into envelopes. A thought that its provider left open gets an empty one: whoever it comes back
 * to knows whose it is, and that there is nothing to hand on.
 */
function wrapping(seals: Seals, issuer: string): (said: Said) => readonly Said[] {
  let open = false;
  const sealWith = (sealed: Sealed): Said => ({
    kind: "seal",
    sealed: { form: "signature", data: seals.wrap(issuer, sealed) },
  });
  return (said) => {
    if (said.kind === "open") open = said.part.kind === "thinking";
    if (said.kind === "close" && open) {
      open = false;
      return [sealWith({ form: "signature", data: "" }), said];
    }
    if (said.kind !== "seal") return [said];
    open = false;
    return [sealWith(said.sealed)];
  };
}

function refused(status: number, code: string, message: string): Translated {
  return { kind: "refused", refusal: { status, code, message } };
}

function mayDrop(drop: Droppable, at: string): boolean {
  return drop.has("*") || drop.has(nameOf(at)) || drop.has(at);
}

/** A field's name without places in lists. */
function nameOf(at: string): string {
  return at.replaceAll(/\[\d+\]/g, "");
}

/** Names come from the client: they go into headers and messages only as plain, short text. */
function shown(text: string): string {
  return text.replaceAll(/[^\w .,:;[\]*'-]/g, "_").slice(0, NAME_CHARS_MAX);
}
