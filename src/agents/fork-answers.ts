import { getQuestion, type Question } from "../inbox/index.ts";
import { InputError, type Json, type QuestionId, type RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Step } from "../runs/index.ts";

/** Another answer to a question that a rung of code asked. */
export type CodeAnswer = { readonly question: QuestionId; readonly choice: string };

const ASKING: readonly string[] = ["asked", "spared a question"];

/**
 * What a fork answers otherwise, where the step it goes on from is the question of a rung of code.
 *
 * @throws {InputError} `fork-refused` for a card about a whole change set, or a choice that there is not
 */
export async function answerOfCode(
  tx: Pick<Transaction, "query">,
  id: RunId,
  at: Step | undefined,
  choice: string | undefined,
): Promise<CodeAnswer | undefined> {
  const asked = at === undefined ? undefined : questionAt(at);
  if (asked === undefined || choice === undefined) return undefined;
  const question = await getQuestion(tx, asked);
  if (question.topic === "card" || at?.attempt === null) {
    const message = `run ${id} cannot be forked so: a card is about what was staged; take an earlier step`;
    throw new InputError({ code: "fork-refused", message });
  }
  checkChoice(id, choice, choicesOf(question));
  return { question: asked, choice };
}

/** @throws {InputError} `fork-refused` */
export function checkChoice(id: RunId, choice: string, choices: readonly string[]): void {
  if (choices.includes(choice)) return;
  const because = `its question there has the choices ${choices.join(", ")}, not ${choice}`;
  const message = `run ${id} cannot be forked so: ${because}`;
  throw new InputError({ code: "fork-refused", message });
}

/** The choices of a question that a model put by its tool. */
export function choicesOfCall(input: Json): readonly string[] {
  const { choices } = input as { readonly choices?: readonly { readonly id: string }[] };
  return (choices ?? []).map((one) => one.id);
}

/**
 * Gives a fork the answers that the other run had to what it had asked by then: a rung of code has them
 * at once when it is run again. They teach nothing a second time: a copy has no default to be held against.
 */
export async function copyAnswers(
  tx: Transaction,
  fork: RunId,
  before: readonly Step[],
  given: (CodeAnswer & { readonly by: string }) | undefined,
): Promise<void> {
  const ids = before.flatMap((step) => questionAt(step) ?? []);
  if (ids.length === 0) return;
  await tx.query(
    `insert into factotum.questions (run_id, tenant, agent, card, topic, subject, importance,
       status, answer, answered_by, answered_at, asked_at, show_at)
     select $1, tenant, agent, card, topic, subject, importance, 'answered',
       case when id = $3 then $4::jsonb else answer end, case when id = $3 then $5 else answered_by end,
       coalesce(answered_at, factotum.now()), asked_at, show_at
     from factotum.questions
     where id = any ($2) and subject is not null and (answer is not null or id = $3) order by id`,
    [
      ...[fork, ids, given?.question ?? null],
      ...[given === undefined ? null : JSON.stringify({ choice: given.choice }), given?.by ?? null],
    ],
  );
}

function questionAt({ kind, data }: Step): QuestionId | undefined {
  return ASKING.includes(kind) ? (data as { readonly question?: QuestionId }).question : undefined;
}

function choicesOf({ card }: Question): readonly string[] {
  return card.choices.map((one) => one.id);
}
