import { createHash } from "node:crypto";
import type { Target } from "./targets.ts";

/** So many bytes of a prompt decide; providers keep nothing of shorter ones. */
const PREFIX_BYTES = 4096;

/**
 * Orders models so that prompts with the same beginning go to the same one, which has it warm: each model is
 * weighed by a hash of the beginning and its name, so that one model more or less moves only its own share.
 */
export function byPrefix(targets: readonly Target[], prompt: Buffer): readonly Target[] {
  const beginning = createHash("sha256").update(prompt.subarray(0, PREFIX_BYTES)).digest();
  const weigh = ({ card }: Target): string =>
    createHash("sha256").update(beginning).update(card.id).digest("hex");
  return targets
    .map((target) => ({ target, weight: weigh(target) }))
    .toSorted((a, b) => (a.weight < b.weight ? 1 : -1))
    .map(({ target }) => target);
}
