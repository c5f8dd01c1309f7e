import type { JsonObject, ModelId } from "../kernel/index.ts";
import type { ToolSpec } from "../models/index.ts";
import type { CheckContext, Found, VerifierKind } from "../policy/index.ts";

/** What a verifier that costs something looks at: the staged change as data, outside of any transaction. */
export type Evidence<Input> = Pick<CheckContext<Input>, "input" | "diff" | "calls" | "turns" | "at">;

/** A model that is asked about a staged change. Made by `judge` and `tickedByModel`. */
export type ModelVerifier<Input> = {
  readonly kind: "model";
  readonly by: VerifierKind & ("judge" | "wishes");
  readonly name: string;
  /** A configured model, or the cheapest or strongest one there is. */
  readonly model: ModelId | "cheap" | "strong";
  /** What the model is told to do, after the agent's policy. */
  readonly task: string;
  /** The one way to answer: what it says in words counts for nothing. */
  readonly answer: ToolSpec;
  /** What an answer means; undefined where it is not well-formed. */
  read(answer: JsonObject, evidence: Evidence<Input>): readonly Found[] | undefined;
  /** Which work it is asked about; all of it by default. */
  when?(evidence: Evidence<Input>): boolean;
  readonly overrule: "person";
};

/** Further tries that must stage the same change. Made by `agreement`. */
export type AgreementVerifier<Input> = {
  readonly kind: "agreement";
  readonly by: VerifierKind & "agreement";
  readonly name: string;
  /** How many tries must agree, the first one included. */
  readonly times: number;
  /** Another model for the further tries, where a model made the first. */
  readonly model?: ModelId | "cheap" | "strong";
  when?(evidence: Evidence<Input>): boolean;
  readonly overrule: "person";
};

/**
 * A verifier that costs something: asked in order once every check has passed or asks a person, so that no
 * token is spent on a change that is known to be wrong.
 */
export type Verifier<Input> = ModelVerifier<Input> | AgreementVerifier<Input>;

/** The most tries that can be asked to agree: each costs as much as the work itself. */
export const TIMES_MAX = 5;

/**
 * Makes the rung again from a clean start, and compares what was staged. Agreement is no proof, and never
 * lets a change commit: on recorded agents two tries that staged the same change were right 41 % of the time.
 * It can turn a pass into `unsure`, where the tries differ.
 */
export function agreement<Input>({
  name = "further tries stage the same change",
  times = 2,
  ...more
}: {
  readonly name?: string;
  /** How many tries must agree, the first one included; 2 by default. */
  readonly times?: number;
  readonly model?: ModelId | "cheap" | "strong";
  readonly when?: (evidence: Evidence<Input>) => boolean;
} = {}): AgreementVerifier<Input> {
  return { kind: "agreement", by: "agreement", name, times, overrule: "person", ...more };
}
