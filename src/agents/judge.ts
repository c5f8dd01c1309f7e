import { z } from "zod";
import type { Json, JsonObject, ModelId } from "../kernel/index.ts";
import type { Found } from "../policy/index.ts";
import type { Evidence, ModelVerifier } from "./verifier.ts";

/** What a judge and a `tickedByModel` have in common. */
export type AskModelOptions<Input> = {
  readonly name: string;
  readonly model: ModelId | "cheap" | "strong";
  /** What to look for, beside the agent's policy. */
  readonly instructions: string;
  readonly when?: (evidence: Evidence<Input>) => boolean;
};

const Verdict = z.object({ verdict: z.enum(["pass", "fail", "unsure"]), because: z.string().min(1) });

const JUDGE = `You judge a change that was staged in a database on behalf of the work described below. You \
did not make it, and nobody sees it before you have judged. Look for what should not be in it, for values \
that stand nowhere in the work, and for what the work asks for and the change lacks.
Say "pass" only if you would sign for it, "fail" if something is wrong, "unsure" if you cannot tell.`;

/**
 * A model that reads the staged change, the agent's policy and the work, and gives its verdict, at a price
 * that is recorded with it. What it says counts only through its one tool: an answer in words, a malformed
 * one or none at all is `unsure`. A person may overrule it.
 */
export function judge<Input>(options: AskModelOptions<Input>): ModelVerifier<Input> {
  const { instructions, ...more } = options;
  return {
    ...{ kind: "model", by: "judge", ...more, overrule: "person" },
    task: `${JUDGE}\n${instructions}`,
    answer: {
      name: "verdict",
      description: "Gives your verdict on the staged change. Call it once.",
      inputSchema: schemaOf(Verdict),
    },
    read(answer) {
      const parsed = Verdict.safeParse(answer);
      return parsed.success ? [{ kind: parsed.data.verdict, because: parsed.data.because }] : undefined;
    },
  };
}

const Requests = z.object({
  requests: z.array(
    z.object({
      what: z.string().min(1).describe("What was asked for, as a person would name it."),
      quote: z.string().describe("The words that ask for it, or that take it back, letter for letter."),
      state: z.enum(["done", "not done", "taken back"]),
      calls: z.array(z.number().int()).describe("The numbers of the calls that do it; empty if none does."),
    }),
  ),
});

const TICK = `You list what was asked for in the work described below, and tick off what the calls made \
have done of it. List every request, also one that seems impossible or against the policy. A request is \
"done" only if a numbered call does it, "taken back" only if whoever asked said so afterwards.`;

/**
 * A model that lists what was asked for and ticks off what the calls have done; the rest is asked about. Each
 * request is recorded with its state. The model's word is not taken for what can be checked: a tick must name
 * a call that was made, and what was taken back must be quoted.
 */
export function tickedByModel<Input>(options: AskModelOptions<Input>): ModelVerifier<Input> {
  const { instructions, ...more } = options;
  return {
    ...{ kind: "model", by: "wishes", ...more, overrule: "person" },
    task: `${TICK}\n${instructions}`,
    answer: {
      name: "requests",
      description: "Gives the list of requests, each with its state. Call it once.",
      inputSchema: schemaOf(Requests),
    },
    read(answer, evidence) {
      const parsed = Requests.safeParse(answer);
      if (!parsed.success) return undefined;
      return parsed.data.requests.map((request) => ticked(request, evidence));
    },
  };
}

function ticked(
  { what, quote, state, calls }: z.output<typeof Requests>["requests"][number],
  evidence: Evidence<unknown>,
): Found {
  const made = calls.every((number) => evidence.calls[number - 1] !== undefined);
  if (state === "done" && calls.length > 0 && made) return { kind: "pass", wish: what };
  if (state === "taken back" && isSaid(quote, evidence)) {
    return { kind: "pass", wish: what, because: `it was taken back: ${quote}` };
  }
  return { kind: "ask", wish: what, because: `${what} was asked for, and nothing of it is done` };
}

/** Whether words stand in the work, whatever its case and spaces. */
function isSaid(quote: string, { input, turns }: Evidence<unknown>): boolean {
  const plain = (text: string): string => text.replaceAll(/\s+/g, " ").trim().toLowerCase();
  const said = turns.flatMap((turn) => (turn.kind === "person" ? [turn.text] : []));
  const wanted = plain(quote);
  return wanted !== "" && [...said, ...textsIn(input as Json)].some((text) => plain(text).includes(wanted));
}

function textsIn(value: Json): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null
    ? Object.values<Json>(value as JsonObject).flatMap(textsIn)
    : [];
}

function schemaOf(type: z.ZodType): ModelVerifier<unknown>["answer"]["inputSchema"] {
  return z.toJSONSchema(type) as ModelVerifier<unknown>["answer"]["inputSchema"];
}
