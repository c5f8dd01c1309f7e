/** What the desks of both businesses share: what a run begins with, and how customers are talked with. */
import type { Converse } from "factotum/agents";
import { z } from "zod";
import type { Dialect } from "./dialect.ts";

/** What a conversation is started with. `dialect` is how its tools speak, for checks that differ by it. */
export const Visit = z.object({
  reference: z.string(),
  dialect: z.union([z.literal(1), z.literal(2)]).default(2),
});
/** A customer at the desk. */
export type Visit = z.infer<typeof Visit>;

/** How a desk is opened. */
export type DeskOptions = {
  readonly name?: string;
  /** `own` unless told: without the slips of the published benchmarks. */
  readonly dialect?: Dialect;
  /** The policy in prose, where it is not ours. */
  readonly policy?: string;
};

const HOUR_MS = 3_600_000;

/** Customers speak first, may think for an hour, and may be handed over to a person. */
export const talk: Converse = { endedBy: ["transfer_to_human_agents"], silenceMsMax: HOUR_MS };

/** What both policies say of every conversation. */
export const MANNERS = `
One customer is served in a conversation. What is done is listed with all its details first, and the
customer says yes to it. Nothing is promised, known or recommended that the tools and the customer did not
say. What this policy does not allow is declined; what no tool can do, and only that, is handed over with
transfer_to_human_agents. One tool is called at a time, and never while speaking.`;

/** A desk's run as a person and a model read it. */
export function presentVisit({ reference }: Visit): { readonly title: string; readonly text: string } {
  return { title: `conversation ${reference}`, text: "" };
}
