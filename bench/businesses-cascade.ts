/**
 * The cascade: the model that is listed first is tried first and verified, and the other one only where a
 * guard or a check stopped it; where a check asks, a person answers. Worked out from recordings of both on
 * the same task, so the two talked with different simulated customers, and the second knew nothing of the
 * first.
 */
import { tokens, type Usage } from "factotum/kernel";
import { price } from "factotum/ledger";
import type { Businesses } from "./businesses-data.ts";
import type { Judged } from "./businesses-quality.ts";

/** Measured on one provider's tokenizer; others differ by some ten per cent. */
const CHARS_PER_TOKEN = 4.9;
const USD = 1_000_000;

/** Where a figure comes from. */
type Tagged = {
  readonly value: number | string | null;
  readonly tag: "recorded" | "list price" | "estimated";
};

/**
 * What the models of the recordings are priced as. The orchestrator's own price stands in no catalogue, and
 * its calls to larger models are not in its recordings: the list price of the largest one it routes to is
 * taken for all its tokens, which can be too much or, with hidden calls, too little.
 */
const PRICED_AS: Readonly<Record<string, { readonly model: string; readonly exact: boolean }>> = {
  "gpt-4o": { model: "gpt-4o", exact: true },
  orchestrator: { model: "gpt-5", exact: false },
};

type Side = {
  readonly right: boolean;
  readonly commits: boolean;
  /** Stopped by a guard or a check, so that the next rung tries. */
  readonly failed: boolean;
  readonly asked: boolean;
  readonly usd: number;
};

/** Cost and outcome of either model alone and of the cascade, over tasks that both were recorded with. */
export function cascade(all: readonly Judged[], data: Businesses) {
  const strong = new Map(
    all.filter((one) => one.run.recording.dialect === 2).map((one) => [one.run.recording.task, one]),
  );
  const pairs = all.flatMap((one) => {
    const { task, dialect } = one.run.recording;
    const other = dialect === 1 && task !== null ? strong.get(data.sameTask.get(task) ?? "") : undefined;
    const sides = other === undefined ? [] : [sideOf(one), sideOf(other)];
    const [first, second] = sides;
    return first === undefined || second === undefined ? [] : [{ first, second }];
  });
  if (pairs.length === 0) {
    return { pairs: 0, because: "no task was recorded with both models, so there is nothing to compare" };
  }
  const cheapAlone = total(pairs.map(({ first }) => once(first, false)));
  const strongAlone = total(pairs.map(({ second }) => once(second, false)));
  const cheapVerified = total(pairs.map(({ first }) => once(first, true)));
  const both = total(
    pairs.map(({ first, second }) => {
      if (!first.failed) return once(first, true);
      const then = once(second, true);
      return { ...then, usd: first.usd + then.usd };
    }),
  );
  const avoided = cheapAlone.wrong - both.wrong;
  return {
    pairs: pairs.length,
    prices: {
      first: { value: "gpt-4o", tag: "list price" },
      second: { value: "orchestrator, all of it at the list price of gpt-5", tag: "estimated" },
    },
    cheapAlone: tagged(cheapAlone, pairs.length),
    cheapVerified: tagged(cheapVerified, pairs.length),
    strongAlone: tagged(strongAlone, pairs.length),
    cascade: tagged(both, pairs.length),
    usdPerWrongCommitAvoided: figure(avoided > 0 ? (both.usd - cheapAlone.usd) / avoided : null, "estimated"),
  };
}

function sideOf({ run, because, asked }: Judged): Side | undefined {
  const { model, file, use } = run.recording;
  const name = Object.keys(PRICED_AS).find((one) => model.startsWith(one) || file.includes(`.${one}.`));
  const priced = PRICED_AS[name ?? ""];
  if (use === undefined || priced === undefined) return undefined;
  const usage: Usage = {
    ...{ input: inTokens(use.prompt_chars), output: inTokens(use.completion_chars) },
    ...{ cachedInput: tokens(0), cacheWrite: tokens(0), reasoning: tokens(0) },
  };
  const found = price(usage, { provider: "openai", model: priced.model }, new Date());
  if (found.kind === "missing") return undefined;
  return {
    ...{ right: run.rowsRight, commits: run.lines.length > 0 },
    ...{ failed: because.length > 0, asked, usd: Number(found.cost) / USD },
  };
}

type Outcome = Readonly<Record<"resolved" | "wrong" | "questions" | "usd", number>>;

/**
 * Unverified, whatever a run staged is committed. Verified, what failed is not; and where a person is asked,
 * they answer rightly. A right end resolves.
 */
function once(side: Side, verified: boolean): Outcome {
  const taken = !verified || !side.failed;
  const questions = verified && taken && side.asked ? 1 : 0;
  const wrong = taken && questions === 0 && side.commits && !side.right ? 1 : 0;
  return { resolved: taken && side.right ? 1 : 0, wrong, questions, usd: side.usd };
}

function total(outcomes: readonly Outcome[]): Outcome {
  const sum = (of: (one: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0);
  const [resolved, wrong] = [sum((one) => one.resolved), sum((one) => one.wrong)];
  return { resolved, wrong, questions: sum((one) => one.questions), usd: sum((one) => one.usd) };
}

function tagged({ resolved, wrong, questions, usd }: Outcome, runs: number) {
  return {
    resolved: figure(resolved, "recorded"),
    wrongCommits: figure(wrong, "recorded"),
    questions: figure(questions, "recorded"),
    unresolved: figure(runs - resolved - wrong, "recorded"),
    usdPerResolved: figure(resolved === 0 ? null : usd / resolved, "estimated"),
  };
}

function figure(value: number | null, tag: Tagged["tag"]): Tagged {
  return { value: value === null ? null : Math.round(value * 10_000) / 10_000, tag };
}

function inTokens(chars: number) {
  return tokens(BigInt(Math.ceil(chars / CHARS_PER_TOKEN)));
}
