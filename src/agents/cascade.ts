import type { ModelCard, Models } from "../models/index.ts";
import type { Agent } from "./agent.ts";

/** The rung after `from` that can run here; undefined where only a person is left. */
export function nextRung(models: Models, agent: Agent, from: number): number | undefined {
  return usableFrom(models, agent, from + 1);
}

/** The first rung at or after `from` that can run here: a model rung needs its model. */
export function usableFrom(models: Models, agent: Agent, from: number): number | undefined {
  const at = agent.cascade.findIndex(
    (rung, index) => index >= from && (rung.kind === "code" || modelFor(models, agent, index) !== undefined),
  );
  return at === -1 ? undefined : at;
}

/**
 * The model of a rung. Where one model is both the cheapest and the strongest there is, it gets the
 * first of the two rungs only: asking it again would buy the same answer twice.
 */
export function modelFor(models: Models, agent: Agent, index: number): ModelCard | undefined {
  const card = wanted(models, agent, index);
  const before = agent.cascade.slice(0, index).map((_, at) => wanted(models, agent, at)?.id);
  return card === undefined || before.includes(card.id) ? undefined : card;
}

function wanted(models: Models, agent: Agent, index: number): ModelCard | undefined {
  const rung = agent.cascade[index];
  if (rung === undefined || rung.kind === "code") return undefined;
  if (rung.model === "cheap") return models.list()[0];
  if (rung.model === "strong") return models.list().at(-1);
  return models.list().find((card) => card.id === rung.model);
}
