import { expect, test } from "vitest";
import { discoverModels } from "./index.ts";

test("nothing configured is nothing found", () => {
  expect(discoverModels({ OPENAI_API_KEY: " " })).toEqual({ cards: [], keys: {}, cascade: [], problems: [] });
});

test("a key alone brings the provider's cheap and strong default", () => {
  for (const [name, endpoint] of [
    ["OPENAI_API_KEY", "openai"],
    ["ANTHROPIC_API_KEY", "anthropic"],
    ["GEMINI_API_KEY", "google"],
    ["GOOGLE_GENERATIVE_AI_API_KEY", "google"],
  ] as const) {
    const found = discoverModels({ [name]: "k-123" });
    expect(found.keys[endpoint]).toBe("k-123");
    expect(found.cascade).toHaveLength(2);
    expect(new Set(found.cascade).size).toBe(2);
    expect(found.cascade.every((id) => id.startsWith(`${endpoint}/`))).toBe(true);
    expect(found.cards[0]?.contextTokens).toBeGreaterThan(1000);
  }
});

test("two keys bring four cards and a cascade of one provider", () => {
  const found = discoverModels({ OPENAI_API_KEY: "a", ANTHROPIC_API_KEY: "b" });
  expect(found.cards).toHaveLength(4);
  expect(found.cascade).toEqual(found.cards.slice(0, 2).map((card) => card.id));
});

test("FACTOTUM_MODELS decides the cascade, in its order", () => {
  const found = discoverModels({
    FACTOTUM_MODELS: " ollama/qwen3:8b, openai/gpt-6-sol ,anthropic/claude-opus-5-5",
    OPENAI_API_KEY: "a",
    OLLAMA_HOST: "10.0.0.7:11434",
  });
  expect(found.cascade).toEqual(["ollama/qwen3:8b", "openai/gpt-6-sol", "anthropic/claude-opus-5-5"]);
  expect(found.cards[0]).toMatchObject({
    ...{ provider: "openai-compatible", model: "qwen3:8b", price: { kind: "local" } },
    baseUrl: "http://10.0.0.7:11434/v1",
  });
  expect(found.problems).toEqual(["model anthropic/claude-opus-5-5 has no key: set ANTHROPIC_API_KEY"]);
});

test("an address of one's own has no default models and no assumed price", () => {
  const url = "http://127.0.0.1:9000/v1/";
  expect(discoverModels({ OPENAI_API_KEY: "a", OPENAI_BASE_URL: url }).cards).toEqual([]);
  const found = discoverModels({ OPENAI_BASE_URL: url, FACTOTUM_MODELS: "openai-compatible/org/model" });
  expect(found.cards[0]).toMatchObject({ model: "org/model", baseUrl: "http://127.0.0.1:9000/v1" });
  expect(found.cards[0]?.price).toBeUndefined();
});

test("a config adds models, prices and keys", () => {
  const config = {
    models: [
      {
        id: "groq/llama",
        baseUrl: "https://api.groq.com/openai/v1",
        keyFrom: "GROQ_API_KEY",
        price: { inputUsdPerMtok: "0.05", outputUsdPerMtok: "0.08" },
      },
    ],
  };
  const found = discoverModels({ GROQ_API_KEY: "g-1" }, config);
  expect(found.keys).toEqual({ groq: "g-1" });
  expect(found.cascade).toEqual(["groq/llama"]);
  expect(found.cards[0]?.price).toEqual({
    kind: "stated",
    inputUsdPerMtok: "0.05",
    outputUsdPerMtok: "0.08",
  });
});

test("a price may change and charge for requests, and an own engine may cost its power", () => {
  const price = { inputUsdPerMtok: "1", outputUsdPerMtok: "2" };
  const changes = [{ ...price, from: "2027-01-01", requestUsd: "0.01" }];
  const energy = { inputJoulesPerMtok: "4", outputJoulesPerMtok: "5", usdPerKwh: "0.25" };
  const found = discoverModels(
    {},
    {
      models: [
        { id: "a/m", baseUrl: "http://h/v1", price: { ...price, changes } },
        { id: "b/m", baseUrl: "http://h/v1", local: true, energy },
      ],
    },
  );
  expect(found.cards.map((card) => card.price)).toEqual([
    { kind: "stated", ...price, changes },
    { kind: "local", energy },
  ]);
  const soon = { models: [{ id: "a/m", price: { ...price, changes: [{ ...price, from: "soon" }] } }] };
  expect(() => discoverModels({}, soon)).toThrow(/from/);
});

test("a wrong config and an unknown endpoint say what is wrong", () => {
  const wrong = { models: [{ id: "x/y", baseUrl: "http://h/v1", price: { inputUsdPerMtok: "cheap" } }] };
  expect(() => discoverModels({}, wrong as never)).toThrow(/inputUsdPerMtok/);
  expect(() => discoverModels({ FACTOTUM_MODELS: "nowhere/m" })).toThrow(/no known address/);
  expect(() => discoverModels({ FACTOTUM_MODELS: "gpt-6-sol" })).toThrow(/endpoint\/model/);
});
