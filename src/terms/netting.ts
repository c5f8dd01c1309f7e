import type { Agreement } from "./agreement.ts";
import { minorFromText, minorText } from "./exact.ts";
import type { Line, Owed } from "./settlement.ts";

/**
 * Who owes whom in sum: one amount for each pair of parties, or for each direction where nothing is
 * netted.
 */
export function netted(
  lines: readonly Line[],
  frame: Pick<Agreement, "digits" | "netting">,
): readonly Owed[] {
  const sums = new Map<string, { from: string; to: string; minor: bigint }>();
  for (const line of lines) {
    if (line.settles !== "owed") continue;
    const turned = frame.netting && line.from > line.to;
    const [from, to] = turned ? [line.to, line.from] : [line.from, line.to];
    const minor = minorFromText(line.amount, frame.digits) * (turned ? -1n : 1n);
    const key = JSON.stringify([from, to]);
    sums.set(key, { from, to, minor: (sums.get(key)?.minor ?? 0n) + minor });
  }
  return [...sums]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, sum]) => sum)
    .filter(({ minor }) => minor !== 0n)
    .map(({ from, to, minor }) =>
      minor > 0n
        ? { from, to, amount: minorText(minor, frame.digits) }
        : { from: to, to: from, amount: minorText(-minor, frame.digits) },
    );
}
