import {
  type Attributes,
  INVALID_SPAN_CONTEXT,
  type Meter,
  metrics,
  type Span,
  type SpanOptions,
  trace,
} from "@opentelemetry/api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reply, status } from "../testing/index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

type Told = { readonly name: string; readonly options: SpanOptions | undefined; attributes: Attributes };
const spans: Told[] = [];
const points: { readonly name: string; readonly value: number; readonly attributes: Attributes }[] = [];

/** What an SDK would do, as far as the API can tell. */
function spanOf(told: Told): Span {
  const span: Span = {
    spanContext: () => INVALID_SPAN_CONTEXT,
    setAttribute: () => span,
    setAttributes: (attributes) => {
      told.attributes = { ...told.attributes, ...attributes };
      return span;
    },
    addEvent: () => span,
    addLink: () => span,
    addLinks: () => span,
    setStatus: () => span,
    updateName: () => span,
    end: () => void spans.push(told),
    isRecording: () => true,
    recordException: () => undefined,
  };
  return span;
}

let at: Opened;
beforeAll(async () => {
  trace.setGlobalTracerProvider({
    getTracer: () => ({
      startSpan: (name, options) => spanOf({ name, options, attributes: {} }),
      startActiveSpan: () => {
        throw new Error("attempts are told once they are over");
      },
    }),
  });
  const createHistogram: Meter["createHistogram"] = (name) => ({
    record: (value, attributes) => void points.push({ name, value, attributes: { ...attributes } }),
  });
  metrics.setGlobalMeterProvider({ getMeter: () => ({ createHistogram }) as Meter });
  at = await opened();
});
afterAll(async () => {
  await at.close();
  trace.disable();
  metrics.disable();
});

test("attempts are spans and metrics by the GenAI conventions, and counted for Prometheus", async () => {
  const usage = { input: 30, output: 12, cachedInput: 10 };
  at.provider.script(reply("said", usage), status(400));
  const ask = async (): Promise<void> => {
    const answer = await fetch(`${at.gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${at.secret}` } },
      body: '{"model":"quick","messages":[{"role":"user","content":"a secret"}]}',
    });
    await answer.text();
  };
  await ask();
  await ask();
  expect(spans.map(({ name }) => name)).toEqual(["chat quick", "chat quick"]);
  expect(spans[0]?.attributes).toMatchObject({
    ...{ "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "quick" },
    ...{ "gen_ai.response.model": "small", "gen_ai.usage.input_tokens": 30 },
    ...{ "gen_ai.usage.output_tokens": 12, "gen_ai.usage.cache_read.input_tokens": 10 },
    ...{ "factotum.cost_micro_usd": 150, "factotum.label": "answered" },
  });
  expect(spans[1]?.attributes).toMatchObject({ "error.type": "400", "factotum.label": "failed" });
  const named = (name: string) => points.filter((point) => point.name === name);
  expect(named("gen_ai.client.operation.duration")).toHaveLength(2);
  expect(
    named("gen_ai.client.token.usage").map(({ value, attributes }) => [
      attributes["gen_ai.token.type"],
      value,
    ]),
  ).toEqual([
    ["input", 30],
    ["output", 12],
  ]);
  const shown = await (await fetch(`${at.gateway.adminUrl}/metrics`)).text();
  const labels = 'surface="chat.completions",model="openai/small",label="answered"';
  expect(shown).toContain(`factotum_gateway_attempts_total{${labels}} 1`);
  expect(shown).toContain(`factotum_gateway_tokens_total{${labels},kind="output"} 12`);
  expect(shown).toContain(`factotum_gateway_duration_seconds_count{${labels}} 1`);
  expect(shown).toContain("factotum_gateway_calls_under_way 0");
  expect(JSON.stringify([spans, points, shown])).not.toContain("a secret");
  // Neither address answers for the other.
  expect((await fetch(`${at.gateway.url}/metrics`)).status).toBe(401);
  expect((await fetch(`${at.gateway.adminUrl}/v1/models`)).status).toBe(404);
});
