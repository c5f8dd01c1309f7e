import { formatUsd, type MicroUsd, microUsd, type Tokens } from "../kernel/index.ts";

/** A cost with the tokens it bought: `$0.012 (3,456 tokens)`. */
export function renderCost(cost: MicroUsd, tokens: Tokens): string {
  return `${formatUsd(cost)} (${tokens.toLocaleString("en-US")} tokens)`;
}

/** Money, or a dash where there is none to speak of. */
export function renderMoney(amount: bigint | undefined): string {
  return amount === undefined ? "-" : formatUsd(microUsd(amount));
}
