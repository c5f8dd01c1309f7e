import type { Spoken } from "./gen-ai.ts";

/** Hears of requests to models that are over. */
export type Telling = (spoken: Spoken) => void;

/**
 * Tells OpenTelemetry of requests to models, where whoever runs us has set it up before. Its library is read
 * here and not sooner: most commands have nothing to tell.
 */
export async function openTelling(scope: string): Promise<Telling> {
  const { openGenAi } = await import("./gen-ai.ts");
  return openGenAi(scope);
}
