/** What calls are charged for beside their tokens: by hand, and never above what was held for them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { tokens, type Usage, type UsageBeside } from "../kernel/index.ts";
import {
  catalogueRates,
  costOf,
  plainlyServed,
  type Rates,
  ratesOf,
  ratesOfCall,
  worstOfCall,
} from "./index.ts";

const AT = new Date("2026-11-20T10:00:00Z");
const usageOf = (part: Partial<Record<keyof Usage, number>>): Usage => ({
  ...{ input: tokens(part.input ?? 0), cachedInput: tokens(part.cachedInput ?? 0) },
  ...{ cacheWrite: tokens(part.cacheWrite ?? 0), output: tokens(part.output ?? 0) },
  reasoning: tokens(part.reasoning ?? 0),
});
const besideOf = (part: Partial<UsageBeside>): UsageBeside => ({
  ...{ tier: null, audioInput: 0n, audioOutput: 0n, longWrites: 0n, uses: {}, ...part },
});
const claude = catalogueRates({ providerId: "anthropic", model: "claude-sonnet-4-5" }, AT);
const gpt = catalogueRates({ providerId: "openai", model: "gpt-4o-mini" }, AT);
const known = (rates: Rates | null): Rates => {
  if (rates === null) throw new Error("the catalogue knows it");
  return rates;
};
const costBeside = (rates: Rates | null, usage: Usage, beside: Partial<UsageBeside>) => {
  const own = ratesOfCall(known(rates), usage, besideOf(beside));
  return { cost: costOf(usage, own), source: own.source.replace(/^[^,]*/, "") };
};

test("a cache of an hour, searches and a service that waits cost what their lists say", () => {
  // Sonnet 4.5: 3.75 USD a million writes of five minutes, 6 of an hour; 10 USD a thousand searches.
  const written = usageOf({ cacheWrite: 1_000_000 });
  expect(costBeside(claude, usageOf({ cacheWrite: 100_000 }), { longWrites: 40_000n })).toEqual({
    ...{ cost: 60n * 3_750n + 40n * 6_000n, source: ", cache of an hour" },
  });
  expect(costBeside(claude, usageOf({}), { uses: { web_search: 3n } })).toEqual({
    ...{ cost: 30_000n, source: ", 3 web_search" },
  });
  expect(costBeside(claude, usageOf({}), { uses: { web_fetch: 3n } })).toEqual({ cost: 0n, source: "" });
  // gpt-4o-mini: 0.15 USD in, half of it where it may wait.
  const read = usageOf({ input: 1_000_000 });
  expect(costBeside(gpt, read, { tier: "flex" })).toEqual({ cost: 75_000n, source: ", flex" });
  // What has no known price is said, and never guessed.
  expect(costBeside(gpt, read, { tier: "priority", uses: { code_interpreter: 1n } })).toEqual({
    ...{ cost: 150_000n, source: ", without the price of priority, without the price of code_interpreter" },
  });
  expect(ratesOfCall(known(claude), written, undefined)).toBe(claude);
});

test("an operator states what the catalogue lacks; an engine of one's own charges nothing beside", () => {
  const stated = {
    ...({ kind: "stated", inputUsdPerMtok: "1", outputUsdPerMtok: "2" } as const),
    ...{ longCacheWriteUsdPerMtok: "2", audioInputUsdPerMtok: "10", audioOutputUsdPerMtok: "20" },
    ...{ toolUsd: { mcp: "0", shell: "0.03" } },
    priority: { inputUsdPerMtok: "1.7", outputUsdPerMtok: "3.4" },
  };
  const found = ratesOf({ provider: "openai-compatible", model: "m", price: stated }, AT);
  const rates = known(found.kind === "known" ? found.rates : null);
  const usage = usageOf({ input: 1_000_000, output: 1_000_000 });
  expect(costBeside(rates, usage, { tier: "priority" }).cost).toBe(5_100_000n);
  expect(costBeside(rates, usage, { audioInput: 500_000n, audioOutput: 100_000n }).cost).toBe(
    500_000n + 5_000_000n + 1_800_000n + 2_000_000n,
  );
  expect(costBeside(rates, usage, { uses: { mcp: 9n, shell: 2n } }).cost).toBe(3_060_000n);
  const wrong = ratesOf({ provider: "o", model: "m", price: { ...stated, toolUsd: { mcp: "cheap" } } }, AT);
  expect(wrong.kind).toBe("missing");

  const own = ratesOf({ provider: "openai-compatible", model: "m", price: { kind: "local" } }, AT);
  const free = known(own.kind === "known" ? own.rates : null);
  expect(costBeside(free, usage, { tier: "priority", uses: { shell: 2n } })).toEqual({
    cost: 0n,
    source: "",
  });
  const served = { ...plainlyServed, tier: "priority", premium: 'speed "fast"' };
  expect(worstOfCall(tokens(9), tokens(9), free, served)).toEqual({ kind: "known", amount: 0n });
});

test("what is held for a call covers whatever it may come to", () => {
  const part = fc.bigInt(0n, 100_000n);
  const rates = fc.constantFrom(known(claude), known(gpt));
  fc.assert(
    fc.property(
      ...([rates, part, part, part, part, fc.bigInt(0n, 3n), fc.constantFrom(null, "flex")] as const),
      (of, input, cachedInput, cacheWrite, output, searches, tier) => {
        const usage: Usage = {
          ...{ input: tokens(input), cachedInput: tokens(cachedInput), cacheWrite: tokens(cacheWrite) },
          ...{ output: tokens(output), reasoning: tokens(0) },
        };
        const long = of === claude ? cacheWrite : 0n;
        const beside = besideOf({
          tier,
          longWrites: long,
          uses: searches > 0n ? { web_search: searches } : {},
        });
        const served = {
          ...{ tier, longWrites: long > 0n, audio: true, premium: null },
          uses: new Map([["web_search", 3]]),
        };
        const inputMax = tokens((input + cachedInput + cacheWrite + 3n) / 4n);
        const worst = worstOfCall(inputMax, tokens(output), of, served);
        if (worst.kind !== "known") throw new Error(worst.because);
        expect(worst.amount).toBeGreaterThanOrEqual(costOf(usage, ratesOfCall(of, usage, beside)));
      },
    ),
  );
});

test("a call whose most is not known says what it lacks", () => {
  const because = (served: Partial<typeof plainlyServed>): string => {
    const worst = worstOfCall(tokens(1), tokens(1), known(gpt), { ...plainlyServed, ...served });
    return worst.kind === "known" ? "known" : worst.because;
  };
  expect(because({ tier: "priority" })).toContain("service priority");
  expect(because({ premium: 'speed "fast"' })).toContain('speed "fast"');
  expect(because({ longWrites: true })).toContain("cache of an hour");
  expect(because({ uses: new Map([["image_generation", 1]]) })).toContain("image_generation");
  expect(because({ uses: new Map([["web_search", null]]) })).toContain("nothing bounds");
  expect(because({ uses: new Map([["web_search", 1]]) })).toBe("known");
});
