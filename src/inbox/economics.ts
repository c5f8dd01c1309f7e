import { formatUsd, type MicroUsd, microUsd } from "../kernel/index.ts";
import type { Importance } from "./question.ts";

/** What is known of the answers to one kind of question. */
export type Observed = {
  /** Answers that were not the default. */
  readonly wrong: number;
  /** Answers that were. */
  readonly right: number;
};

/** What a question is weighed by. */
export type Weighing = {
  readonly observed: Observed;
  readonly stake: MicroUsd;
  readonly importance: Importance;
  /** Seconds of attention it takes, and what an hour of it costs. */
  readonly seconds: number;
  readonly usdPerHour: number;
  /** Everybody who may answer is in quiet hours now; how much dearer that is. */
  readonly quietFactor: number | null;
  /** Questions that they have open already. */
  readonly open: number;
};

/** Whether a question is worth its interruption, and the reckoning in words. */
export type Weighed = { readonly put: boolean; readonly because: string };

/** How sure we are that the default is not wrong more often than we say. */
const CONFIDENCE = 0.9;
/** With this many questions open, one more costs twice as much: a full inbox is read badly. */
const OPEN_DOUBLES = 10;
const IMPORTANCE_FACTOR = { low: 0.5, normal: 1, high: 2, urgent: 4 } as const;
const BISECTIONS = 40;
const MICRO = 1_000_000;
const SECONDS_AN_HOUR = 3_600;

/**
 * Weighs the value of an answer, the chance that the default is wrong times what is at stake, against the
 * cost of the interruption. The chance is the upper end of what the answers so far allow, so that few
 * answers let little be decided alone.
 */
export function weigh(w: Weighing): Weighed {
  const wrong = chanceAtMost(w.observed);
  const value = usd((Number(w.stake) / MICRO) * wrong * IMPORTANCE_FACTOR[w.importance]);
  const factor = (w.quietFactor ?? 1) * (1 + w.open / OPEN_DOUBLES);
  const cost = usd((w.seconds / SECONDS_AN_HOUR) * w.usdPerHour * factor);
  const put = value > cost;
  const answers = w.observed.wrong + w.observed.right;
  const seen =
    answers === 0
      ? "no answer to its like is known"
      : `${w.observed.wrong} of ${answers} answers to its like were not the default`;
  const dearer = [
    ...(w.quietFactor === null ? [] : [`${w.quietFactor} times dearer in quiet hours`]),
    ...(w.open === 0 ? [] : [`${w.open} open before it`]),
  ];
  const because =
    `an answer is worth ${formatUsd(value)}: ${formatUsd(w.stake)} at stake, importance ${w.importance}, ` +
    `the default wrong in at most ${(wrong * 100).toFixed(1)} % (${seen}); ` +
    `asking costs ${formatUsd(cost)}${dearer.length === 0 ? "" : ` (${dearer.join(", ")})`}`;
  return { put, because };
}

/**
 * The chance that is not exceeded with `CONFIDENCE`, by the Beta(1 + wrong, 1 + right) posterior of a
 * uniform prior. For whole counts its distribution function is a binomial tail, so it needs no series.
 */
export function chanceAtMost({ wrong, right }: Observed): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < BISECTIONS; step += 1) {
    const middle = (low + high) / 2;
    if (betaBelow(middle, wrong + 1, right + 1) < CONFIDENCE) low = middle;
    else high = middle;
  }
  return high;
}

/** P(Beta(a, b) <= x) = P(Binomial(a + b - 1, x) >= a), summed in logarithms. */
function betaBelow(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const n = a + b - 1;
  let sum = 0;
  let logChoose = 0;
  for (let k = 0; k <= n; k += 1) {
    if (k > 0) logChoose += Math.log((n - k + 1) / k);
    if (k >= a) sum += Math.exp(logChoose + k * Math.log(x) + (n - k) * Math.log1p(-x));
  }
  return sum;
}

function usd(dollars: number): MicroUsd {
  return microUsd(BigInt(Math.round(dollars * MICRO)));
}
