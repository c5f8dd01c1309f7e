import {
  type Attributes,
  type Meter,
  metrics,
  ProxyTracerProvider,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { afterAll, expect, test } from "vitest";
import type { ModelId, RunId } from "../kernel/index.ts";
import { makeModels, type ModelCall, type ModelCard } from "../models/index.ts";
import { fakeClock, reply, scriptedProvider, status, throwawayDatabase } from "../testing/index.ts";
import { intend, send } from "./index.ts";

const spans: { readonly name: string; readonly attributes: Attributes }[] = [];
const points: { readonly name: string; readonly value: number; readonly attributes: Attributes }[] = [];

/** What an SDK would do, as far as the API can tell: spans are the API's own, and say what they are told. */
const quiet = new ProxyTracerProvider().getTracer("none");
const startSpan: Tracer["startSpan"] = (name) => {
  const span = quiet.startSpan(name);
  span.isRecording = () => true;
  span.setAttributes = (attributes) => {
    spans.push({ name, attributes });
    return span;
  };
  return span;
};
const createHistogram: Meter["createHistogram"] = (name) => ({
  record: (value, attributes) => void points.push({ name, value, attributes: { ...attributes } }),
});
trace.setGlobalTracerProvider({ getTracer: () => ({ ...quiet, startSpan }) });
metrics.setGlobalMeterProvider({ getMeter: () => ({ createHistogram }) as Meter });

const db = await throwawayDatabase();
const provider = await scriptedProvider();
afterAll(async () => {
  await provider.close();
  trace.disable();
  metrics.disable();
});

test("each try of a run's call is told by the GenAI conventions, and no word of what was said", async () => {
  const card: ModelCard = {
    ...{ id: "openai/gpt-4o-mini" as ModelId, provider: "openai", model: "gpt-4o-mini" },
    ...{ baseUrl: provider.url, outputTokensMax: 1000 },
  };
  const models = makeModels({ cards: [card], keys: { openai: "sk-test-0123456789" } });
  const messages = [{ role: "user", text: "a secret" }] as const;
  const call: ModelCall = { model: card.id, messages, tools: [], outputTokensMax: 200 };
  const intent = { runId: "1" as RunId, attempt: 1, call, card, agent: "desk" };
  const id = await db.transaction((tx) => intend(tx, intent));
  provider.script(status(500), reply("another", { input: 30, cachedInput: 10, output: 12 }));
  const sleep = async (): Promise<void> => {};
  await send(models, id, call, { signal: new AbortController().signal, clock: fakeClock(), sleep });
  const asked = { "gen_ai.operation.name": "chat", "gen_ai.request.model": "openai/gpt-4o-mini" };
  const named = { ...asked, "gen_ai.response.model": "gpt-4o-mini", "gen_ai.provider.name": "openai" };
  expect(spans).toMatchObject([
    { attributes: { ...named, "error.type": "overloaded", "factotum.try": 1, "factotum.call": id } },
    { attributes: { ...named, "factotum.try": 2, "gen_ai.usage.input_tokens": 30 } },
  ]);
  const tokens = points.filter(({ name }) => name === "gen_ai.client.token.usage");
  expect(tokens.map(({ value }) => value)).toEqual([30, 12]);
  expect(points.filter(({ name }) => name === "gen_ai.client.operation.duration")).toHaveLength(2);
  expect(JSON.stringify([spans, points])).not.toMatch(/a secret|another/);
});
