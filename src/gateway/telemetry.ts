import type { IncomingHttpHeaders } from "node:http";
import {
  type Attributes,
  context,
  createNoopMeter,
  type Histogram,
  metrics,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { Metered } from "./meter.ts";

/** Tells OpenTelemetry of attempts where the process has it set up; costs next to nothing where not. */
export type Telemetry = {
  /** @param headers of the client's request, whose trace the attempt belongs to */
  heard(metered: Metered, headers: IncomingHttpHeaders): void;
};

/** By open-telemetry/semantic-conventions-genai, in development; what is ours begins with `factotum`. */
const OPERATIONS: Readonly<Record<string, string>> = { embeddings: "embeddings" };
const PROVIDERS: Readonly<Record<string, string>> = {
  ...{ google: "gcp.gemini", bedrock: "aws.bedrock", azure: "azure.ai.openai", mistral: "mistral_ai" },
};
const TOKEN_BOUNDS = Array.from({ length: 14 }, (_, power) => 4 ** power);
const SECOND_BOUNDS = Array.from({ length: 14 }, (_, power) => 0.01 * 2 ** power);
/** What counting tokens is has no name there, and it costs nothing. */
const UNTOLD = "messages.count_tokens";

/** Takes the tracer and the meter that the process has set up before. */
export function openTelemetry(): Telemetry {
  const tracer = trace.getTracer("factotum.gateway");
  const meter = metrics.getMeter("factotum.gateway");
  const silent = createNoopMeter().createHistogram("none");
  const tokens = meter.createHistogram("gen_ai.client.token.usage", {
    ...{ unit: "{token}", advice: { explicitBucketBoundaries: TOKEN_BOUNDS } },
  });
  const duration = meter.createHistogram("gen_ai.client.operation.duration", {
    ...{ unit: "s", advice: { explicitBucketBoundaries: SECOND_BOUNDS } },
  });
  const firstChunk = meter.createHistogram("gen_ai.client.operation.time_to_first_chunk", {
    ...{ unit: "s", advice: { explicitBucketBoundaries: SECOND_BOUNDS } },
  });
  const count = (metered: Metered, attributes: Attributes): void => {
    if (duration === silent) return;
    duration.record(metered.totalMs / 1000, attributes);
    if (metered.stream && metered.firstByteMs !== null)
      firstChunk.record(metered.firstByteMs / 1000, attributes);
    if (!metered.authoritative || metered.label !== "answered") return;
    record(tokens, inputOf(metered), "input", attributes);
    record(tokens, outputOf(metered), "output", attributes);
  };
  return {
    heard(metered, headers) {
      if (metered.surface === UNTOLD) return;
      const now = performance.now();
      const operation = OPERATIONS[metered.surface] ?? "chat";
      const options = { kind: SpanKind.CLIENT, startTime: now - metered.totalMs };
      const parent = "traceparent" in headers ? propagation.extract(context.active(), headers) : undefined;
      const span = tracer.startSpan(`${operation} ${metered.asked}`, options, parent);
      const told = span.isRecording();
      if (!told && duration === silent) return;
      const attributes = attributesOf(metered, operation);
      count(metered, attributes);
      if (!told) return;
      span.setAttributes({ ...attributes, ...usageOf(metered) });
      if (metered.label !== "answered")
        span.setStatus({ code: SpanStatusCode.ERROR, message: metered.label });
      span.end(now);
    },
  };
}

function record(histogram: Histogram, value: number, kind: string, attributes: Attributes): void {
  histogram.record(value, { ...attributes, "gen_ai.token.type": kind });
}

function attributesOf({ model, asked, label, status }: Metered, operation: string): Attributes {
  const provider = model.slice(0, model.indexOf("/"));
  return {
    "gen_ai.operation.name": operation,
    "gen_ai.provider.name": PROVIDERS[provider] ?? provider,
    "gen_ai.request.model": asked,
    "gen_ai.response.model": model.slice(provider.length + 1),
    ...(label !== "answered" && { "error.type": status === null || status < 400 ? label : String(status) }),
  };
}

function usageOf(metered: Metered): Attributes {
  const { usage, callId, key, amount } = metered;
  return {
    "gen_ai.usage.input_tokens": inputOf(metered),
    "gen_ai.usage.output_tokens": outputOf(metered),
    "gen_ai.usage.cache_read.input_tokens": Number(usage.cachedInput),
    "gen_ai.usage.cache_creation.input_tokens": Number(usage.cacheWrite),
    "factotum.call": callId,
    "factotum.try": metered.try,
    "factotum.label": metered.label,
    "factotum.tenant": key.tenant,
    ...(amount !== null && { "factotum.cost_micro_usd": Number(amount) }),
  };
}

function inputOf({ usage }: Metered): number {
  return Number(usage.input) + Number(usage.cachedInput) + Number(usage.cacheWrite);
}

function outputOf({ usage }: Metered): number {
  return Number(usage.output) + Number(usage.reasoning);
}
