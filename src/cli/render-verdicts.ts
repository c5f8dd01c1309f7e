import { formatUsd, microUsd } from "../kernel/index.ts";
import type { Attempt } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import type { Paint } from "./terminal.ts";

type Verdict = Attempt["verdicts"][number];

const INPUT_CHARS_MAX = 120;

/** The verdicts of an attempt in the order given: what was said, by what kind of verifier, at what cost. */
export function renderVerdicts(verdicts: readonly Verdict[], paint: Paint): readonly string[] {
  const kinds = Math.max(0, ...verdicts.map((one) => one.kind.length));
  const bys = Math.max(0, ...verdicts.map((one) => one.by.length));
  return verdicts.map((one) => {
    const kind = COLORS[one.kind](paint)(one.kind.padEnd(kinds));
    return `  ${kind}  ${paint.dim(one.by.padEnd(bys))}  ${cleanLine(sentence(one))}${cost(one)}`;
  });
}

/** A call that a guard refused. */
export function renderRefusal(refusal: Attempt["refusals"][number], paint: Paint): string {
  const input = cleanLine(JSON.stringify(refusal.input), INPUT_CHARS_MAX);
  const why = cleanLine(`${refusal.guard}: ${refusal.because}`);
  return `  ${paint.red("refused")}  ${cleanLine(refusal.tool)} ${input} by ${why}`;
}

const COLORS: { readonly [kind in Verdict["kind"]]: (paint: Paint) => (text: string) => string } = {
  pass: (paint) => paint.green,
  fail: (paint) => paint.red,
  unsure: (paint) => paint.yellow,
  ask: (paint) => paint.yellow,
};

function sentence({ check, kind, because, wish }: Verdict): string {
  if (wish !== undefined) return `${check}: ${wish} is ${kind === "pass" ? "done" : "not done"}`;
  return because === undefined ? check : `${check}: ${because}`;
}

function cost({ costMicroUsd }: Verdict): string {
  return costMicroUsd === undefined ? "" : `  ${formatUsd(microUsd(BigInt(costMicroUsd)))}`;
}
