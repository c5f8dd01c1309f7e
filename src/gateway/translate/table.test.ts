import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject, TenantId } from "../../kernel/index.ts";
import { makeSeals } from "../envelope.ts";
import type { Ask } from "./ask.ts";
import { dialects, type Heard, type Spoken } from "./dialects.ts";
import { type Feature, plain } from "./feature-words.test.kit.ts";
import { features } from "./features.test.kit.ts";
import { Losses } from "./fields.ts";
import { translate, type Translated } from "./translate.ts";

const names = {
  "openai-chat": "chat",
  "openai-responses": "responses",
  "anthropic-messages": "messages",
  "google-generate": "Google",
  "bedrock-converse": "Converse",
} as const;
const protocols = Object.keys(dialects) as Spoken[];
/** All ways, also to what only models are asked in. */
const ways: readonly { readonly from: Spoken; readonly to: Heard }[] = protocols.flatMap((from) =>
  [...protocols, "bedrock-converse" as const].flatMap((to) => (from === to ? [] : [{ from, to }])),
);
const pairs = protocols.flatMap((from) => protocols.flatMap((to) => (from === to ? [] : [{ from, to }])));
const seals = makeSeals(Buffer.alloc(32, 1), "t" as TenantId);
const MARKS = { begin: "<!-- table -->\n", end: "<!-- end of table -->" };
const PAGE = "docs/gateway-protocols.md";

function put(from: Spoken, to: Heard, asked: JsonObject, drop: readonly string[] = []): Translated {
  const write = { model: "m", stream: false, outputMax: 4_000, compatible: false };
  const sayFor = { at: 0, model: "m", id: "id", usage: true };
  return translate({ from, asked, drop: new Set(drop), seals, issuer: "a/m", write, sayFor }, to);
}

/** What becomes of a feature on its way. */
function fate(feature: Feature, from: Spoken, to: Heard): string {
  const asked = feature[from];
  if (asked === null) return "-";
  const found = put(from, to, { ...plain[from], ...asked });
  if (found.kind === "refused") {
    if (found.refusal.code !== "untranslatable") throw new Error(found.refusal.message);
    return "refused";
  }
  return found.near.length > 0 ? "near" : "kept";
}

/** What a request means, without where it says so and without what means nothing. */
function meaning(protocol: Spoken, body: JsonObject): Json {
  const losses = new Losses();
  const ask: Ask = dialects[protocol].read(body, losses);
  expect(losses.lost).toEqual([]);
  const bare = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(bare);
    if (typeof value !== "object" || value === null) return value;
    const fields = Object.entries(value).filter(([name, inner]) => {
      if (name === "at" || (name === "strict" && bare(inner) !== true)) return false;
      // A name that nobody gave, and a type that an address has beside it.
      return !(name === "name" && inner === "file") && !(name === "mediaType" && "url" in value);
    });
    const named = Object.fromEntries(fields.map(([name, inner]) => [name, bare(inner)]));
    return Object.keys(named).length === 1 && "value" in named ? named["value"] : named;
  };
  return bare({ turns: ask.turns, tools: ask.tools, options: ask.options }) as Json;
}

function table(): string {
  const head = ways.map(({ from, to }) => `${names[from]} → ${names[to]}`);
  const rows = features.map((feature) => [
    feature.name,
    ...ways.map(({ from, to }) => fate(feature, from, to)),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(["", ...head]), line(["---", ...head.map(() => "---")]), ...rows.map(line), ""].join("\n");
}

describe("what a translation keeps", () => {
  test("is what the page says", () => {
    const page = readFileSync(PAGE, "utf8");
    const [before = "", rest = ""] = page.split(MARKS.begin);
    const after = rest.slice(rest.indexOf(MARKS.end));
    if (process.env["WRITE_DOCS"] === "1") {
      writeFileSync(PAGE, `${before}${MARKS.begin}\n${table()}\n${after}`);
    }
    expect(rest.slice(0, rest.indexOf(MARKS.end)).trim()).toBe(table().trim());
  });

  test.for(pairs)("$from → $to and back means the same", ({ from, to }) => {
    const kept = features.filter((feature) => fate(feature, from, to) === "kept");
    expect(kept.length).toBeGreaterThan(5);
    for (const feature of kept) {
      const asked = { ...plain[from], ...feature[from] };
      const there = put(from, to, asked);
      if (there.kind === "refused") throw new Error(there.refusal.message);
      const back = put(to, from, there.body);
      if (back.kind === "refused") throw new Error(`${feature.name}: ${back.refusal.message}`);
      expect({ [feature.name]: meaning(from, back.body) }).toEqual({ [feature.name]: meaning(from, asked) });
    }
  });

  test("many features together, whatever is said", () => {
    const options = features.filter(
      ({ name }) => !/parallel|instructions|failure|image|file|audio/.test(name),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...pairs),
        fc.subarray([...options]),
        fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.string({ minLength: 1 })), { maxLength: 4 }),
        ({ from, to }, chosen, said) => {
          const kept = chosen.filter((feature) => fate(feature, from, to) === "kept");
          const asked = withTurns(from, said, kept);
          const there = put(from, to, asked);
          if (there.kind === "refused") throw new Error(there.refusal.message);
          const back = put(to, from, there.body);
          if (back.kind === "refused") throw new Error(back.refusal.message);
          expect(meaning(from, back.body)).toEqual(meaning(from, asked));
        },
      ),
    );
  });

  test("a field that nobody has thought of is never dropped silently", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ways), fc.string({ minLength: 1 }), ({ from, to }, name) => {
        const strange = `future_${name}`;
        const asked = { ...plain[from], [strange]: 1 };
        expect(put(from, to, asked)).toMatchObject({ kind: "refused", refusal: { code: "untranslatable" } });
        expect(put(from, to, asked, [strange])).toMatchObject({ kind: "translated" });
        expect(put(from, to, asked, ["*"])).toMatchObject({ kind: "translated" });
      }),
    );
  });
});

function withTurns(
  from: Spoken,
  said: readonly (readonly [string, string])[],
  kept: readonly Feature[],
): JsonObject {
  const options = kept.map((feature) => feature[from] ?? {});
  const merged: Record<string, Json> = { ...plain[from] };
  for (const each of options) {
    for (const [name, value] of Object.entries(each)) {
      const before = merged[name];
      const both = isPlain(before) && isPlain(value);
      merged[name] = both ? { ...before, ...value } : value;
    }
  }
  const turns = said.flatMap(([user, model]) => [
    { role: "user", text: user },
    { role: "assistant", text: model },
  ]);
  const all = [...turns, { role: "user", text: "and?" }];
  if (from === "google-generate") {
    const role = (name: string): string => (name === "user" ? "user" : "model");
    merged["contents"] = all.map((turn) => ({ role: role(turn.role), parts: [{ text: turn.text }] }));
  } else if (from === "openai-responses") {
    merged["input"] = all.map((turn) => ({ type: "message", role: turn.role, content: turn.text }));
  } else merged["messages"] = all.map((turn) => ({ role: turn.role, content: turn.text }));
  return merged;
}

function isPlain(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
