import { calcPrice, findProvider } from "@pydantic/genai-prices";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tokens, type Usage } from "../kernel/index.ts";
import { millionths } from "./decimal.ts";
import {
  catalogueRates,
  catalogueVersion,
  costOf,
  otherService,
  price,
  type Rates,
  ratesFromJson,
  ratesOf,
  ratesToJson,
  worstCostOf,
} from "./index.ts";
import { flat, type PicoUsd } from "./rates.ts";

const AT = new Date("2026-11-20T10:00:00Z");
const PROVIDERS = [
  "openai",
  "anthropic",
  "google",
  "groq",
  "mistral",
  "deepseek",
  "x-ai",
  "openrouter",
  "azure",
];
const models = PROVIDERS.flatMap((providerId) =>
  (findProvider({ providerId })?.models ?? []).map((model) => ({ providerId, model: model.id })),
).filter((key) => catalogueRates(key, AT) !== null);

const count = (max: number): fc.Arbitrary<ReturnType<typeof tokens>> =>
  fc
    .oneof(fc.integer({ min: 0, max }), fc.constantFrom(0, 1, 199_999, 200_000, 200_001, 272_000))
    .map(tokens);
const usages: fc.Arbitrary<Usage> = fc.record({
  input: count(2_000_000),
  cachedInput: count(500_000),
  cacheWrite: count(500_000),
  output: count(200_000),
  reasoning: count(200_000),
});
const anyModel = fc.constantFrom(...models);
const ratesFor = (key: (typeof models)[number]): Rates => {
  const rates = catalogueRates(key, AT);
  if (rates === null) throw new Error(`no rates for ${key.model}`);
  return rates;
};
const sum = (left: Usage, right: Usage): Usage => ({
  input: tokens(left.input + right.input),
  cachedInput: tokens(left.cachedInput + right.cachedInput),
  cacheWrite: tokens(left.cacheWrite + right.cacheWrite),
  output: tokens(left.output + right.output),
  reasoning: tokens(left.reasoning + right.reasoning),
});

/** Rates without tiers, where splitting has a plain meaning. */
const flatRates: fc.Arbitrary<Rates> = fc
  .array(fc.bigInt({ min: 0n, max: 200_000_000n }), { minLength: 5, maxLength: 5 })
  .map(([input = 0n, cachedInput = 0n, cacheWrite = 0n, output = 0n, reasoning = 0n]) => ({
    ...{ input: flat(input), cachedInput: flat(cachedInput), cacheWrite: flat(cacheWrite) },
    ...{ output: flat(output), reasoning: flat(reasoning) },
    ...{ perRequest: 0n as PicoUsd, source: "test" },
  }));

describe("price arithmetic", () => {
  test("agrees with the catalogue's own floats, rounded up to a micro-dollar", () => {
    expect(models.length).toBeGreaterThan(500);
    fc.assert(
      fc.property(anyModel, usages, (key, usage) => {
        const ours = Number(costOf(usage, ratesFor(key)));
        const input = Number(usage.input + usage.cachedInput + usage.cacheWrite);
        const theirs = calcPrice(
          {
            input_tokens: input,
            cache_read_tokens: Number(usage.cachedInput),
            cache_write_tokens: Number(usage.cacheWrite),
            output_tokens: Number(usage.output + usage.reasoning),
            output_reasoning_tokens: Number(usage.reasoning),
          },
          key.model,
          { providerId: key.providerId, timestamp: AT },
        );
        const micro = (theirs?.total_price ?? Number.NaN) * 1e6;
        // Half a pico-dollar a token for the catalogue's thirds, and what floats lose.
        const slack =
          (input + Number(usage.output + usage.reasoning)) * 5e-7 + Math.abs(micro) * 1e-12 + 1e-6;
        expect(ours).toBeGreaterThanOrEqual(micro - slack);
        expect(ours).toBeLessThanOrEqual(micro + 1 + slack);
      }),
      { numRuns: 2000 },
    );
  });

  test("splitting a call never makes it cheaper", () => {
    fc.assert(
      fc.property(flatRates, usages, usages, (rates, left, right) => {
        expect(costOf(left, rates) + costOf(right, rates)).toBeGreaterThanOrEqual(
          costOf(sum(left, right), rates),
        );
      }),
    );
  });

  test("more tokens never cost less, tiers included", () => {
    fc.assert(
      fc.property(anyModel, usages, usages, (key, usage, more) => {
        const rates = ratesFor(key);
        expect(costOf(sum(usage, more), rates)).toBeGreaterThanOrEqual(costOf(usage, rates));
      }),
      { numRuns: 1000 },
    );
  });

  test("the worst case is never exceeded, whatever kinds the tokens turn out to be", () => {
    fc.assert(
      fc.property(anyModel, usages, (key, usage) => {
        const rates = ratesFor(key);
        const inputMax = tokens(usage.input + usage.cachedInput + usage.cacheWrite);
        const outputMax = tokens(usage.output + usage.reasoning);
        expect(worstCostOf(inputMax, outputMax, rates)).toBeGreaterThanOrEqual(costOf(usage, rates));
      }),
      { numRuns: 1000 },
    );
  });

  test("rates survive being stored", () => {
    fc.assert(
      fc.property(anyModel, (key) => {
        // What a call may cost beside is in the prices of the call, once it is booked.
        const { beside: _, ...booked } = ratesFor(key);
        expect(ratesFromJson(ratesToJson(booked))).toEqual(booked);
      }),
    );
  });
});

const only = (part: Partial<Record<keyof Usage, number>>): Usage => ({
  input: tokens(part.input ?? 0),
  cachedInput: tokens(part.cachedInput ?? 0),
  cacheWrite: tokens(part.cacheWrite ?? 0),
  output: tokens(part.output ?? 0),
  reasoning: tokens(part.reasoning ?? 0),
});

test("a known model is priced to the micro-dollar, and rounded up", () => {
  const what = { provider: "openai", model: "gpt-4o-mini" };
  expect(price(only({ input: 1_000_000, output: 1_000_000 }), what, AT)).toMatchObject({ cost: 750_000n });
  expect(price(only({ input: 1 }), what, AT)).toMatchObject({ cost: 1n });
  expect(price(only({ cachedInput: 1_000_000 }), what, AT)).toMatchObject({ cost: 75_000n });
  expect(price(only({ reasoning: 1_000_000 }), what, AT)).toMatchObject({ cost: 600_000n });
});

test("a tier prices the whole call by its total input", () => {
  const what = { provider: "google", model: "gemini-2.5-pro" };
  expect(price(only({ input: 200_000 }), what, AT)).toMatchObject({ cost: 250_000n });
  expect(price(only({ input: 200_000, cachedInput: 1 }), what, AT)).toMatchObject({ cost: 500_001n });
});

test("a price that changes on a date is the one of its time", () => {
  const what = { provider: "google", model: "gemini-3.6-flash" };
  const usage = only({ input: 1_000_000 });
  expect(price(usage, what, new Date("2026-12-31T23:59:59Z"))).toMatchObject({ cost: 750_000n });
  expect(price(usage, what, new Date("2027-01-01T00:00:00Z"))).toMatchObject({ cost: 1_500_000n });
});

test("an unknown price is missing, never zero", () => {
  expect(price(only({}), { provider: "openai", model: "no-such-model" }, AT)).toMatchObject({
    kind: "missing",
  });
  const server = { provider: "openai-compatible", model: "qwen3:8b" };
  expect(ratesOf(server, AT).kind).toBe("missing");
  expect(ratesOf({ ...server, baseUrl: "http://127.0.0.1:11434/v1" }, AT).kind).toBe("missing");
  const free = { provider: "google", model: "gemma-3" };
  expect(ratesOf(free, AT).kind).toBe("missing");
});

test("a server is priced by its address, an own engine by saying so, the config before all", () => {
  const groq = {
    provider: "openai-compatible",
    baseUrl: "https://api.groq.com/openai/v1",
    model: "llama-3.1-8b-instant",
  };
  const found = ratesOf(groq, AT);
  expect(found).toMatchObject({
    kind: "known",
    rates: { source: `${catalogueVersion()} groq/llama-3.1-8b-instant` },
  });
  const local = { provider: "openai-compatible", model: "m", price: { kind: "local" } } as const;
  expect(price(only({ input: 5_000_000 }), local, AT)).toMatchObject({
    cost: 0n,
    rates: { source: "local" },
  });
  const stated = {
    ...groq,
    price: { kind: "stated", inputUsdPerMtok: "0.000001", outputUsdPerMtok: "2" },
  } as const;
  expect(price(only({ input: 1_000_000, output: 500_000 }), stated, AT)).toMatchObject({ cost: 1_000_001n });
});

test("a company's own prices change at their instants, and charge for requests", () => {
  const own = {
    ...{ provider: "openai-compatible", model: "m" },
    price: {
      kind: "stated",
      ...{ inputUsdPerMtok: "1", outputUsdPerMtok: "2", requestUsd: "0.01" },
      changes: [
        { from: "2027-01-01T00:00:00+01:00", inputUsdPerMtok: "4", outputUsdPerMtok: "4" },
        { from: "2026-12-01", inputUsdPerMtok: "3", outputUsdPerMtok: "4" },
      ],
    },
  } as const;
  const of = (at: string) => price(only({ input: 1_000_000 }), own, new Date(at));
  expect(of("2026-11-30T23:59:59.999Z")).toMatchObject({ cost: 1_010_000n, rates: { source: "config" } });
  expect(of("2026-12-01T00:00:00Z")).toMatchObject({
    ...{ cost: 3_000_000n, rates: { source: "config from 2026-12-01" } },
  });
  expect(of("2026-12-31T23:00:00Z")).toMatchObject({ cost: 4_000_000n });
  const never = { ...own, price: { ...own.price, changes: [{ ...own.price, from: "soon" }] } };
  expect(price(only({}), never, AT)).toMatchObject({ kind: "missing" });
});

test("batches cost half at the providers that say so, and google's cached input as much as live", () => {
  const [usage, cached] = [only({ input: 1_000_000, output: 1_000_000 }), only({ cachedInput: 1_000_000 })];
  for (const [provider, model, all, read] of [
    ["openai", "gpt-4o-mini", 375_000n, 37_500n],
    ["google", "gemini-2.5-flash", 1_400_000n, 30_000n],
  ] as const) {
    const what = { provider, model, batch: true };
    expect(price(usage, what, AT)).toMatchObject({ cost: all, rates: { service: "batch" } });
    expect(price(cached, what, AT)).toMatchObject({ cost: read });
  }
  // A provider whose list is not known, and a price of one's own without one, have no batch price.
  const groq = { provider: "groq", model: "llama-3.1-8b-instant", batch: true };
  expect([ratesOf({ ...groq, batch: false }, AT).kind, ratesOf(groq, AT).kind]).toEqual(["known", "missing"]);
  const own = { kind: "stated", inputUsdPerMtok: "1", outputUsdPerMtok: "2" } as const;
  expect(ratesOf({ ...groq, price: own }, AT)).toMatchObject({
    because: expect.stringContaining("no batch price is known"),
  });
  const batch = { inputUsdPerMtok: "0.3", outputUsdPerMtok: "0.7" };
  expect(price(usage, { ...groq, price: { ...own, batch } }, AT)).toMatchObject({ cost: 1_000_000n });
});

test("a price has another service, and that has this one for its other", () => {
  fc.assert(
    fc.property(anyModel, (key) => {
      const { beside: _, ...rates } = ratesFor(key);
      const batch = otherService(rates);
      expect(batch === null).toBe(rates.other === undefined);
      expect(batch === null ? rates : otherService(ratesFromJson(ratesToJson(batch)))).toEqual(rates);
    }),
  );
});

test("an own engine costs its power, to the pico-dollar and rounded up", () => {
  const energy = { inputJoulesPerMtok: "400000", outputJoulesPerMtok: "3600000", usdPerKwh: "0.25" };
  const engine = { provider: "openai-compatible", model: "m", price: { kind: "local", energy } } as const;
  // A kilowatt hour a million tokens of output.
  expect(price(only({ output: 1_000_000 }), engine, AT)).toMatchObject({ cost: 250_000n });
  expect(ratesOf(engine, AT)).toMatchObject({ rates: { input: { base: 27_778n }, perRequest: 0n } });
});

test("decimals are read exactly", () => {
  expect(millionths("0.075")).toBe(75_000n);
  expect(millionths("1e-7")).toBe(0n);
  expect(millionths("5e-7")).toBe(1n);
  expect(millionths("1.5e+2")).toBe(150_000_000n);
  expect(millionths("0.08333333333333334")).toBe(83_333n);
  for (const wrong of ["", "-1", "1,5", "NaN", "Infinity", ".5"]) expect(millionths(wrong)).toBeNull();
});

test("the catalogue's version is recorded", () => {
  expect(catalogueVersion()).toMatch(/^@pydantic\/genai-prices@\d+\.\d+\.\d+/);
});
