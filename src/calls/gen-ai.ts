import {
  type Attributes,
  type Context,
  createNoopMeter,
  metrics,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { ModelId, Usage } from "../kernel/index.ts";

/** One request to a model that is over. */
export type Spoken = {
  readonly operation: "chat" | "embeddings";
  /** What whoever asked calls the model. */
  readonly asked: string;
  readonly model: ModelId;
  /** What went wrong, in a word or as a status; null where it was answered. */
  readonly error: string | null;
  /** As the provider counted it, or the most that it can be. */
  readonly usage: Usage;
  readonly authoritative: boolean;
  readonly totalMs: number;
  /** Of a stream. */
  readonly firstByteMs: number | null;
  /** What is ours to say of it; asked only where somebody hears. */
  readonly more: () => Attributes;
  /** The trace that it belongs to, where that is another process's. */
  readonly parent?: Context | undefined;
};

const PROVIDERS: Readonly<Record<string, string>> = {
  ...{ google: "gcp.gemini", bedrock: "aws.bedrock", azure: "azure.ai.openai", mistral: "mistral_ai" },
};
const TOKEN_BOUNDS = Array.from({ length: 14 }, (_, power) => 4 ** power);
const SECOND_BOUNDS = Array.from({ length: 14 }, (_, power) => 0.01 * 2 ** power);

/**
 * Tells OpenTelemetry of requests to models where the process has it set up; costs next to nothing where not.
 * By open-telemetry/semantic-conventions-genai, in development; what is ours begins with `factotum`. Takes
 * the tracer and the meter that the process has set up before.
 */
export function openGenAi(scope: string): (spoken: Spoken) => void {
  const tracer = trace.getTracer(scope);
  const meter = metrics.getMeter(scope);
  const silent = createNoopMeter().createHistogram("none");
  const histogram = (name: string, unit: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(name, { unit, advice: { explicitBucketBoundaries } });
  const tokens = histogram("gen_ai.client.token.usage", "{token}", TOKEN_BOUNDS);
  const duration = histogram("gen_ai.client.operation.duration", "s", SECOND_BOUNDS);
  const firstChunk = histogram("gen_ai.client.operation.time_to_first_chunk", "s", SECOND_BOUNDS);
  const count = (spoken: Spoken, attributes: Attributes): void => {
    if (duration === silent) return;
    duration.record(spoken.totalMs / 1000, attributes);
    if (spoken.firstByteMs !== null) firstChunk.record(spoken.firstByteMs / 1000, attributes);
    if (!spoken.authoritative || spoken.error !== null) return;
    tokens.record(inputOf(spoken.usage), { ...attributes, "gen_ai.token.type": "input" });
    tokens.record(outputOf(spoken.usage), { ...attributes, "gen_ai.token.type": "output" });
  };
  return (spoken) => {
    const now = performance.now();
    const { operation, asked, totalMs, parent, error } = spoken;
    const options = { kind: SpanKind.CLIENT, startTime: now - totalMs };
    const span = tracer.startSpan(`${operation} ${asked}`, options, parent);
    const told = span.isRecording();
    if (!told && duration === silent) return;
    const attributes = attributesOf(spoken);
    count(spoken, attributes);
    if (!told) return;
    span.setAttributes({ ...attributes, ...usageOf(spoken.usage), ...spoken.more() });
    if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    span.end(now);
  };
}

function attributesOf({ model, asked, operation, error }: Spoken): Attributes {
  const provider = model.slice(0, model.indexOf("/"));
  return {
    "gen_ai.operation.name": operation,
    "gen_ai.provider.name": PROVIDERS[provider] ?? provider,
    "gen_ai.request.model": asked,
    "gen_ai.response.model": model.slice(provider.length + 1),
    ...(error !== null && { "error.type": error }),
  };
}

function usageOf(usage: Usage): Attributes {
  return {
    "gen_ai.usage.input_tokens": inputOf(usage),
    "gen_ai.usage.output_tokens": outputOf(usage),
    "gen_ai.usage.cache_read.input_tokens": Number(usage.cachedInput),
    "gen_ai.usage.cache_creation.input_tokens": Number(usage.cacheWrite),
  };
}

function inputOf({ input, cachedInput, cacheWrite }: Usage): number {
  return Number(input) + Number(cachedInput) + Number(cacheWrite);
}

function outputOf({ output, reasoning }: Usage): number {
  return Number(output) + Number(reasoning);
}
