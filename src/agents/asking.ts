import { z } from "zod";
import {
  ask,
  type Asked,
  askedBefore,
  type Attention,
  type Card,
  type Choice,
  type Importance,
  importances,
  type Question,
  questionsOf,
  subjectOf,
} from "../inbox/index.ts";
import { InputError, type Json, type MicroUsd, microUsd, type RunId } from "../kernel/index.ts";
import type { ToolSpec } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, type Run } from "../runs/index.ts";

/** A question as the asker puts it: a rung of code by `work.ask`, a model by its tool. */
export type AskOrder = {
  readonly question: string;
  /** 2 to 12, each with an id of its own. */
  readonly choices: readonly Choice[];
  /** Taken where nobody answers in time. Without it the run waits until somebody does. */
  readonly default?: string;
  /** How long the answer is waited for before the default counts; a day unless told. */
  readonly timeoutMs?: number;
  /** `normal` unless told; `urgent` passes quiet hours. */
  readonly importance?: Importance;
  /** What a wrong choice would cost. With a default, a question not worth the interruption is spared. */
  readonly stake?: MicroUsd;
  /** What kind of question it is: answers teach how its like are weighed, and routes may name it. */
  readonly topic?: string;
  /** What a person should know to answer; shown as text. */
  readonly about?: string;
};

/** What came of a question. `by` is `default` where nobody answered, or nobody was asked. */
export type AskAnswer = { readonly choice: string; readonly by: string; readonly note: string | null };

/** How an agent's models may ask people in the middle of an attempt. */
export type Asks = {
  /** The most questions of one run; 10 unless told. */
  readonly questionsMax?: number;
  /** The longest that a model may wait for an answer; a week unless told. */
  readonly timeoutMsMax?: number;
  /** The most that a model may say is at stake; 100 dollars unless told. */
  readonly stakeMax?: MicroUsd;
};

/** Called by a model that wants a person's word. */
export const ASK_TOOL = "ask_person";

const DAY_MS = 86_400_000;
const TIMEOUT_MS_MAX = 7 * DAY_MS;
/** The longest time-out that code may give. */
const WAIT_MS_MAX = 3_653 * DAY_MS;
const QUESTIONS_MAX = 10;
const STAKE_MAX = microUsd(100_000_000);
const CHOICES_MIN = 2;
const CHOICES_MAX = 12;
const QUESTION_CHARS_MAX = 2_000;
const LABEL_CHARS_MAX = 300;
const ABOUT_CHARS_MAX = 10_000;
const TOPIC = /^[a-z0-9][a-z0-9 -]{0,62}$/;
const CHOICE_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/i;
const MINUTE_MS = 60_000;
const MICRO = 1_000_000;

/** Thrown by `work.ask` to end the try: the rung is run again from its beginning once there is an answer. */
export class AskedSignal extends Error {
  readonly order: AskOrder;

  constructor(order: AskOrder) {
    super(`a person is asked: ${order.question}; let this error through`);
    this.order = order;
  }
}

/** Holds a question against its limits. @throws {InputError} `ask-invalid` with all that is wrong */
export function checkOrder(order: AskOrder): AskOrder {
  const { question, choices, about = "", topic, timeoutMs } = order;
  const ids = choices.map((choice) => choice.id);
  const problems = [
    ...(question.trim() === "" ? ["it asks nothing"] : []),
    ...(question.length > QUESTION_CHARS_MAX ? [`it has more than ${QUESTION_CHARS_MAX} characters`] : []),
    ...(about.length > ABOUT_CHARS_MAX ? [`about has more than ${ABOUT_CHARS_MAX} characters`] : []),
    ...(ids.length < CHOICES_MIN || ids.length > CHOICES_MAX
      ? [`it has ${ids.length} choices, and ${CHOICES_MIN} to ${CHOICES_MAX} make a question`]
      : []),
    ...ids.filter((id) => !CHOICE_ID.test(id)).map((id) => `choice ${JSON.stringify(id)} is no plain word`),
    ...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `choice ${id} is there twice`),
    ...choices
      .filter((one) => one.label.length > LABEL_CHARS_MAX)
      .map((one) => `the label of ${one.id} is too long`),
    ...(order.default === undefined || ids.includes(order.default)
      ? []
      : [`its default ${order.default} is none of its choices`]),
    ...(topic === undefined || TOPIC.test(topic)
      ? []
      : [`topic ${JSON.stringify(topic)} is not in plain words`]),
    ...(timeoutMs === undefined || timeoutMs > 0 ? [] : ["its time-out is over before it is asked"]),
    ...(timeoutMs !== undefined && timeoutMs > WAIT_MS_MAX
      ? ["its time-out is more than ten years; leave the default out to wait for ever"]
      : []),
    ...(order.stake !== undefined && order.stake < 0n ? ["less than nothing is at stake"] : []),
  ];
  if (problems.length === 0) return order;
  throw new InputError({ code: "ask-invalid", message: `this cannot be asked: ${problems.join("; ")}` });
}

/** The digest under which a question is asked once, whoever of the agent's runs asks it. */
function subjectOfOrder({ topic = "question", question, choices }: AskOrder): string {
  return subjectOf({ topic, question, choices: choices.map((choice) => choice.id) });
}

/** What came of a question that this run asked before; undefined where it did not, or it is open. */
export async function answerBefore(
  tx: Pick<Transaction, "query">,
  runId: RunId,
  order: AskOrder,
): Promise<AskAnswer | undefined> {
  const before = await askedBefore(tx, runId, subjectOfOrder(order));
  return before === undefined ? undefined : answerOf(before);
}

/** An answer as whoever asked is given it. */
export function answerOf({ answer, by }: Question): AskAnswer | undefined {
  if (answer === null) return undefined;
  return { choice: answer.choice, by: by ?? "somebody", note: answer.note ?? null };
}

/**
 * Refuses a question too many. @throws {InputError} `ask-limit`
 */
export async function checkCount(
  tx: Pick<Transaction, "query">,
  runId: RunId,
  { questionsMax = QUESTIONS_MAX }: Asks = {},
): Promise<void> {
  const asked = (await questionsOf(tx, runId)).filter((one) => one.topic !== "card").length;
  if (asked < questionsMax) return;
  throw new InputError({
    code: "ask-limit",
    message: `run ${runId} has asked ${asked} questions, as many as it may; decide, or leave it to a person`,
  });
}

/** Puts a question in the turn that `tx` is; the run parks until `until`, or goes on where it was spared. */
export async function putQuestion(
  tx: Transaction,
  parts: {
    readonly workshop: { readonly attention?: Attention };
    readonly run: Run;
    readonly attempt: number | null;
  },
  order: AskOrder,
  at: Date,
): Promise<Asked> {
  const { workshop, run, attempt } = parts;
  const { question, choices, about = "", topic = "question", stake, importance } = order;
  const card: Card = { title: question, about, because: [], changes: [], calls: [], choices };
  const asked = await ask(
    tx,
    {
      ...{ runId: run.id, tenant: run.tenant, agent: run.agent, card, topic },
      subject: subjectOfOrder(order),
      ...(importance !== undefined && { importance }),
      ...(stake !== undefined && { stake }),
      ...(order.default !== undefined && {
        defaultChoice: order.default,
        dueAt: new Date(at.getTime() + (order.timeoutMs ?? DAY_MS)),
      }),
    },
    workshop.attention,
  );
  const kind = asked.status === "spared" ? "spared a question" : "asked";
  await appendStep(tx, run.id, { kind, attempt, data: { question: asked.id, because: [question] } });
  return asked;
}

const ToolInput = z.strictObject({
  question: z.string(),
  choices: z.array(z.strictObject({ id: z.string(), label: z.string() })),
  default: z.string().optional(),
  wait_minutes: z.number().positive().optional(),
  importance: z.enum(importances as [Importance, ...Importance[]]).optional(),
  at_stake_usd: z.number().nonnegative().optional(),
});

/** Reads what a model wants asked, within what its agent allows. @throws {InputError} `ask-invalid` */
export function orderOfModel(input: Json, asks: Asks): AskOrder {
  const parsed = ToolInput.safeParse(input);
  if (!parsed.success) {
    const because = z.prettifyError(parsed.error).replaceAll(/\s+/g, " ");
    throw new InputError({ code: "ask-invalid", message: `this cannot be asked: ${because}` });
  }
  const { wait_minutes: minutes, at_stake_usd: usd, importance, ...said } = parsed.data;
  const stakeMax = asks.stakeMax ?? STAKE_MAX;
  const stake = usd === undefined ? undefined : Math.min(Math.round(usd * MICRO), Number(stakeMax));
  const wait = Math.min((minutes ?? DAY_MS / MINUTE_MS) * MINUTE_MS, asks.timeoutMsMax ?? TIMEOUT_MS_MAX);
  return checkOrder({
    ...{ question: said.question, choices: said.choices, timeoutMs: wait },
    ...(said.default !== undefined && { default: said.default }),
    ...(importance !== undefined && { importance }),
    ...(stake !== undefined && { stake: microUsd(stake) }),
  });
}

/** The tool as a model is given it. */
export const askSpec: ToolSpec = {
  name: ASK_TOOL,
  description:
    "Asks a person of ours one question and waits for the answer, which may take days. Ask only what " +
    "neither the input, the tools nor the standing instructions tell, and what changes what you do. With " +
    "a default, the default is taken where nobody answers in time, or where asking is not worth it.",
  inputSchema: {
    type: "object",
    properties: {
      question: {
        type: "string",
        description: "One plain question, with the names and numbers it is about.",
      },
      choices: {
        type: "array",
        minItems: CHOICES_MIN,
        maxItems: CHOICES_MAX,
        items: {
          type: "object",
          properties: {
            id: { type: "string", description: "A plain word." },
            label: { type: "string", description: "What it means, in a sentence." },
          },
          required: ["id", "label"],
        },
      },
      default: { type: "string", description: "The id of the choice that you would take yourself." },
      wait_minutes: {
        type: "number",
        description: "How long the answer is worth waiting for; a day unless told.",
      },
      importance: { type: "string", enum: [...importances] },
      at_stake_usd: { type: "number", description: "What a wrong choice would cost, in dollars." },
    },
    required: ["question", "choices"],
  },
};
