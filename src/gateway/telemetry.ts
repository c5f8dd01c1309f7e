import type { IncomingHttpHeaders } from "node:http";
import { type Attributes, context, propagation } from "@opentelemetry/api";
import { openTelling } from "../calls/index.ts";
import type { Metered } from "./meter.ts";

/** Tells OpenTelemetry of attempts. */
export type Telemetry = {
  /** @param headers of the client's request, whose trace the attempt belongs to */
  heard(metered: Metered, headers: IncomingHttpHeaders): void;
};

/** What counting tokens is has no name there, and it costs nothing. */
const UNTOLD = "messages.count_tokens";

/** Takes the tracer and the meter that the process has set up before. */
export async function openTelemetry(): Promise<Telemetry> {
  const tell = await openTelling("factotum.gateway");
  return {
    heard(metered, headers) {
      const { surface, asked, model, usage, authoritative, totalMs, stream, firstByteMs } = metered;
      if (surface === UNTOLD) return;
      tell({
        asked,
        model,
        usage,
        authoritative,
        totalMs,
        error: errorOf(metered),
        more: () => oursOf(metered),
        operation: surface === "embeddings" ? "embeddings" : "chat",
        firstByteMs: stream ? firstByteMs : null,
        parent: "traceparent" in headers ? propagation.extract(context.active(), headers) : undefined,
      });
    },
  };
}

function errorOf({ label, status }: Metered): string | null {
  if (label === "answered") return null;
  return status === null || status < 400 ? label : String(status);
}

function oursOf({ callId, key, label, amount, try: number }: Metered): Attributes {
  return {
    "factotum.call": callId,
    "factotum.try": number,
    "factotum.label": label,
    "factotum.tenant": key.tenant,
    ...(amount !== null && { "factotum.cost_micro_usd": Number(amount) }),
  };
}
