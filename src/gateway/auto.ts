import { plainlyServed } from "../calls/index.ts";
import { tokens } from "../kernel/index.ts";
import type { Ability } from "../models/index.ts";
import type { Target } from "./targets.ts";

/** What a call needs of a model. */
export type Needs = {
  readonly abilities: readonly Ability[];
  /** About as many tokens as its prompt has. */
  readonly inputTokens: number;
};

/** The models that a call fits, cheapest first, or why there is none. */
export type Fits =
  | { readonly kind: "fit"; readonly targets: readonly Target[] }
  | { readonly kind: "none"; readonly because: string };

/** Fewer bytes than a token usually has: a prompt is rather taken for too long than for too short. */
const BYTES_PER_TOKEN = 3;
const MARKS: readonly (readonly [Ability, readonly string[]])[] = [
  ["tools", ['"tools"']],
  ["images", ['"image_url"', '"input_image"', '"image"', '"image/']],
  ["audio", ['"input_audio"', '"audio/']],
  ["files", ['"input_file"', '"file_data"', '"file_id"', '"document"', '"application/pdf"']],
  ["schema", ['"json_schema"', '"responseJsonSchema"', '"responseSchema"']],
];

/**
 * What a call needs, by what stands in its bytes. Words of the prompt can look like a need, and then a more
 * able model is asked than had to be; no need is overlooked, as each is said in these words.
 */
export function needsOf(body: Buffer): Needs {
  const abilities = MARKS.flatMap(([ability, marks]) =>
    marks.some((mark) => body.includes(mark)) ? [ability] : [],
  );
  return { abilities, inputTokens: Math.ceil(body.length / BYTES_PER_TOKEN) };
}

/**
 * The cheapest models that a call fits, by the most that it can cost at each. A model without a known price
 * is not chosen. Equals stay in the order in which they are configured.
 */
export function cheapestFits(
  targets: readonly Target[],
  needs: Needs,
  { outputMax, at }: { readonly outputMax: (target: Target) => number; readonly at: number },
): Fits {
  const priced = targets.flatMap((target) => {
    if (misfit(target, needs, outputMax(target)) !== null) return [];
    const [input, output] = [tokens(needs.inputTokens), tokens(outputMax(target))];
    const most = target.tariff(at)?.worst(input, output, plainlyServed);
    return most?.kind !== "known" ? [] : [{ target, most: most.amount }];
  });
  if (priced.length > 0) {
    const sorted = priced.toSorted((a, b) => (a.most < b.most ? -1 : a.most > b.most ? 1 : 0));
    return { kind: "fit", targets: sorted.map(({ target }) => target) };
  }
  const reasons = targets.map((target) => {
    const why = misfit(target, needs, outputMax(target)) ?? "has no known price";
    return `${target.card.id} ${why}`;
  });
  return { kind: "none", because: `no model fits this call: ${reasons.join("; ")}` };
}

function misfit({ card }: Target, { abilities, inputTokens }: Needs, output: number): string | null {
  const lacking = abilities.filter((ability) => card.lacks?.includes(ability) === true);
  if (lacking.length > 0) return `lacks ${lacking.join(", ")}`;
  if (output > card.outputTokensMax) return `answers with ${card.outputTokensMax} tokens at most`;
  const room = card.contextTokens ?? Infinity;
  return inputTokens + output > room ? `has room for ${room} tokens` : null;
}
