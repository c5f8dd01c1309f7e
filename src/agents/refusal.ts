import { FactotumError, type Json, type RunId, toJson } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep } from "../runs/index.ts";

/** A call that a guard refused: its tool did not run. */
export type Refusal = {
  readonly tool: string;
  readonly input: Json;
  readonly guard: string;
  readonly because: string;
};

/** A tool call that a guard refused. What the attempt staged before it stands. */
export class RefusedError extends FactotumError {
  declare readonly code: "call-refused";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super({
      code: "call-refused",
      retry: "never",
      message: `refused by ${refusal.guard}: ${refusal.because}`,
    });
    this.refusal = refusal;
  }
}

/** Notes refused calls in the run's transcript. */
export async function appendRefusals(
  tx: Transaction,
  runId: RunId,
  attempt: number,
  refusals: readonly Refusal[],
): Promise<void> {
  for (const refusal of refusals) {
    await appendStep(tx, runId, { kind: "refused-call", attempt, data: toJson(refusal) });
  }
}
