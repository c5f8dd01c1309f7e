import type { ModelId } from "../kernel/index.ts";
import type { Run } from "../runs/index.ts";
import { agreementOf } from "./agreeing.ts";
import { modelFor, modelNamed, usableFrom, type ModelChoice } from "./cascade.ts";
import { type AgentState, newState } from "./state.ts";
import type { Agent } from "./agent.ts";

type Choosing = { readonly workshop: ModelChoice; readonly bench: { readonly agent: Agent } };

/** Whose a model is, as limits on providers name them: the first part of its id. */
function providerOf(model: ModelId): string {
  return model.split("/")[0] ?? model;
}

/** Whom the next turns of a run in this state call, as far as the state tells; null: nobody. */
export function calledNext(c: Choosing, state: AgentState): { readonly provider: string | null } {
  const model = state.phase === "attempt" ? ofRung(c, state) : ofVerifier(c, state);
  return { provider: model === undefined ? null : providerOf(model) };
}

/** Whom the first turns of a new run of an agent call. */
export function calledFirst(choice: ModelChoice, agent: Agent): { readonly provider?: string } {
  const { provider } = calledNext({ workshop: choice, bench: { agent } }, newState({}));
  return provider === null ? {} : { provider };
}

/**
 * What a turn ends with, instead of a call's intent, where its run has yet to name whom it calls: where that
 * provider has limits the run is let go of, and a call that was intended by then would count as unknown.
 */
export function unnamed(run: Run, model: ModelId): { readonly provider: string } | undefined {
  const provider = providerOf(model);
  return run.provider === provider ? undefined : { provider };
}

function ofRung({ workshop, bench }: Choosing, state: AgentState): ModelId | undefined {
  const index = usableFrom(workshop, bench.agent, state.rung);
  if (index === undefined || bench.agent.cascade[index]?.kind !== "model") return undefined;
  const other = agreementOf({ bench, state })?.model ?? state.instead ?? undefined;
  const card = other === undefined ? modelFor(workshop, bench.agent, index) : modelNamed(workshop, other);
  return card?.id;
}

function ofVerifier({ workshop, bench }: Choosing, { phase, verifying }: AgentState): ModelId | undefined {
  const verifier = bench.agent.verifiers?.[verifying?.step ?? 0];
  if (phase !== "verify" || verifier?.kind !== "model") return undefined;
  return modelNamed(workshop, verifier.model)?.id;
}
