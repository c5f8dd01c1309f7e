import type { ModelId } from "../kernel/index.ts";
import type { ModelCard, Models } from "../models/index.ts";
import type { Agent } from "./agent.ts";

/** The models that rungs may use. */
export type ModelChoice = {
  readonly models: Models;
  /** Cheapest first: the first is `cheap`, the last is `strong`. */
  readonly ladder: readonly ModelId[];
};

/** The rung after `from` that can run here; undefined where only a person is left. */
export function nextRung(choice: ModelChoice, agent: Agent, from: number): number | undefined {
  return usableFrom(choice, agent, from + 1);
}

/** The first rung at or after `from` that can run here: a model rung needs its model. */
export function usableFrom(choice: ModelChoice, agent: Agent, from: number): number | undefined {
  const at = agent.cascade.findIndex(
    (rung, index) => index >= from && (rung.kind === "code" || modelFor(choice, agent, index) !== undefined),
  );
  return at === -1 ? undefined : at;
}

/**
 * The model of a rung. Where one model is both the cheapest and the strongest there is, it gets the
 * first of the two rungs only: asking it again would buy the same answer twice.
 */
export function modelFor(choice: ModelChoice, agent: Agent, index: number): ModelCard | undefined {
  const id = wanted(choice, agent, index);
  const before = agent.cascade.slice(0, index).map((_, at) => wanted(choice, agent, at));
  if (id === undefined || before.includes(id)) return undefined;
  return choice.models.list().find((card) => card.id === id);
}

/** The card of a model that is asked for by name, or by its place on the ladder. */
export function modelNamed(
  { ladder, models }: ModelChoice,
  name: ModelId | "cheap" | "strong",
): ModelCard | undefined {
  const id = name === "cheap" ? ladder[0] : name === "strong" ? ladder.at(-1) : name;
  return models.list().find((card) => card.id === id);
}

function wanted({ ladder }: ModelChoice, agent: Agent, index: number): ModelId | undefined {
  const rung = agent.cascade[index];
  if (rung === undefined || rung.kind === "code") return undefined;
  if (rung.model === "cheap") return ladder[0];
  return rung.model === "strong" ? ladder.at(-1) : rung.model;
}
