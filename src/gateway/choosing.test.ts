import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TenantId } from "../kernel/index.ts";
import { type CardConfig, discoverModels } from "../models/index.ts";
import type { KeyId, KeyRecord } from "./keys.ts";
import { noWishes, plan, type Snapshot } from "./plan.ts";
import { type Surface, surfaces } from "./surfaces.ts";
import { type Aliases, makeTargets } from "./targets.ts";

const at = { baseUrl: "http://127.0.0.1:9/v1", outputTokensMax: 1_000, contextTokens: 100_000 };
const price = (usd: string) => ({ inputUsdPerMtok: usd, outputUsdPerMtok: usd });
const models: CardConfig[] = [
  { id: "openai/dear", ...at, price: price("10") },
  { id: "openai/cheap", ...at, price: price("1"), lacks: ["images", "tools"] },
  { id: "openai/tiny", ...at, price: price("0.1"), contextTokens: 3_000, lacks: ["images", "schema"] },
  { id: "anthropic/middle", ...at, price: price("5") },
  { id: "spare/unpriced", provider: "openai-compatible", ...at },
];
const everything = {
  ...{ id: "1" as KeyId, tenant: "t" as TenantId, budget: null, until: Infinity, models: null },
  ...{ requestsPerMinute: null, tokensPerMinute: null, cacheSeconds: null, receiptSalt: Buffer.alloc(16) },
} satisfies KeyRecord;
const engines = Array.from({ length: 5 }, (_, index) => `openai/engine-${index}`);

function asked(
  body: object,
  more: {
    aliases?: Aliases;
    key?: Partial<KeyRecord>;
    rests?: string;
    forbidden?: string;
    delays?: readonly number[];
  } = {},
) {
  const found = discoverModels({}, { models: [...models, ...engines.map((id) => ({ id, ...at }))] });
  const targets = makeTargets(found.cards, {}, more.aliases ?? {});
  const delayMs = (id: string): number => more.delays?.[engines.indexOf(id)] ?? 0;
  const health = { rests: (id: string) => id === more.rests, delayMs };
  const forbids = ({ id }: { readonly id: string }): string | null =>
    id === more.forbidden ? "clause 7 forbids it" : null;
  const snapshot: Snapshot = { targets, health, sealKey: Buffer.alloc(32), forbids };
  const surface = surfaces.get("/v1/chat/completions") as Surface;
  const request = { max_tokens: 100, messages: [{ role: "user", content: "hello" }], ...body };
  const text = Buffer.from(JSON.stringify(request));
  const key = { ...everything, ...more.key };
  return plan({ surface, body: text, key, id: "id", at: 0, pricedAt: 0, wishes: noWishes }, snapshot);
}

function order(...args: Parameters<typeof asked>): readonly string[] {
  const planned = asked(...args);
  return planned.kind === "call" ? planned.attempts.map(({ target }) => target.card.id) : [];
}

const picture = [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }];
const tools = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }];

test("a call is priced as prices stand when it is planned, also by a replica that runs for months", () => {
  const changes = [{ ...price("2"), from: "2027-01-01T00:00:00Z" }];
  const card: CardConfig = { id: "openai/dated", ...at, price: { ...price("1"), changes } };
  const [target] = makeTargets(discoverModels({}, { models: [card] }).cards, {}, {}).all;
  const newYear = Date.parse("2027-01-01T00:00:00Z") / 1000;
  const bases = [0, newYear - 1, newYear, newYear + 1, 0].map(
    (second) => target?.tariff(second)?.rates.input.base,
  );
  expect(bases).toEqual([1_000_000n, 1_000_000n, 2_000_000n, 2_000_000n, 1_000_000n]);
  // Rows that were priced alike are written with one copy of their prices.
  expect(target?.tariff(5)).toBe(target?.tariff(6));
});

describe("auto", () => {
  test("is the cheapest model that the call fits, with the next cheapest behind it", () => {
    const fits = order({ model: "auto" });
    expect(fits).toEqual(["openai/tiny", "openai/cheap", "anthropic/middle", "openai/dear"]);
    expect(order({ model: "auto", tools })).toEqual(["openai/tiny", "anthropic/middle", "openai/dear"]);
    const seeing = { model: "auto", messages: [{ role: "user", content: picture }] };
    expect(order(seeing)).toEqual(["anthropic/middle", "openai/dear"]);
    const long = { model: "auto", messages: [{ role: "user", content: "word ".repeat(4_000) }] };
    expect(order(long)[0]).toBe("openai/cheap");
  });

  test("leaves out what the key may not call, and puts what rests last", () => {
    const key = { models: new Set(["openai/dear", "anthropic/middle"]) };
    expect(order({ model: "auto" }, { key })).toEqual(["anthropic/middle", "openai/dear"]);
    expect(order({ model: "auto" }, { key, rests: "anthropic/middle" })[0]).toBe("openai/dear");
  });

  test("leaves out what was agreed not to be served, and says so where nothing else is left", () => {
    expect(order({ model: "auto" }, { forbidden: "openai/tiny" })[0]).toBe("openai/cheap");
    const key = { models: new Set(["openai/tiny"]) };
    const refused = asked({ model: "auto" }, { key, forbidden: "openai/tiny" });
    expect(refused).toMatchObject({ refusal: { status: 403, code: "not_served" } });
  });

  test("skips a model whose protocol cannot keep the call", () => {
    const key = { models: new Set(["openai/dear", "anthropic/middle"]) };
    expect(order({ model: "auto", seed: 7 }, { key })).toEqual(["openai/dear"]);
  });

  test("says of each model why none fits", () => {
    const planned = asked({ model: "auto", max_tokens: 5_000 });
    expect(planned).toMatchObject({ kind: "refused", refusal: { status: 400, code: "no_model_fits" } });
    expect(JSON.stringify(planned)).toContain("openai/tiny answers with 1000 tokens at most");
  });
});

describe("several models", () => {
  test("in a list or behind commas are tried in order, each once", () => {
    const wanted = ["openai/dear", "openai/cheap"];
    expect(order({ model: wanted })).toEqual(wanted);
    expect(order({ model: "openai/dear, cheap,openai/dear" })).toEqual(wanted);
    expect(order({ model: "openai/dear,auto" }).slice(0, 2)).toEqual(["openai/dear", "openai/tiny"]);
    for (const model of [[], [7], "", ",", Array.from({ length: 17 }, () => "cheap")]) {
      expect(asked({ model })).toMatchObject({ refusal: { code: "model_missing" } });
    }
  });

  test("that a key may call in part are those it may", () => {
    const key = { models: new Set(["openai/cheap"]) };
    expect(order({ model: "openai/dear,openai/cheap" }, { key })).toEqual(["openai/cheap"]);
    expect(asked({ model: "openai/dear" }, { key })).toMatchObject({ refusal: { status: 403 } });
  });

  test("shared out by speed: whoever would answer first is asked first, unless it rests", () => {
    const aliases: Aliases = { swift: { anyOf: engines } };
    const delays = [30, 10, 50, 20, 40];
    const found = order({ model: "swift" }, { aliases, delays });
    expect(found).toEqual([1, 3, 0, 4, 2].map((index) => engines[index]));
    const rests = found[0] ?? "";
    expect(order({ model: "swift" }, { aliases, delays, rests })).toEqual([...found.slice(1), rests]);
  });

  test("shared out by prefix: the same beginning goes to the same one, also when another is gone", () => {
    const all: Aliases = { warm: { anyOf: engines, by: "prefix" } };
    const fewer: Aliases = { warm: { anyOf: engines.slice(1), by: "prefix" } };
    const used = new Set<string | undefined>();
    fc.assert(
      fc.property(fc.uuid(), fc.string(), (beginning, rest) => {
        const system = { role: "system", content: beginning.repeat(200) };
        const body = (content: string) => ({ model: "warm", messages: [system, { role: "user", content }] });
        const [first] = order(body(rest), { aliases: all });
        used.add(first);
        expect(order(body(`${rest} and more`), { aliases: all })[0]).toBe(first);
        const [then] = order(body(rest), { aliases: fewer });
        expect(first === engines[0] || then === first).toBe(true);
        expect(order(body(rest), { aliases: all, rests: first ?? "" })[0]).not.toBe(first);
      }),
      { numRuns: 60 },
    );
    expect(used.size).toBeGreaterThan(2);
  });
});
