import { InputError, jsonbText, type QuestionId, type RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { wakeAll } from "../runs/index.ts";
import { type Attention, type Level } from "./people.ts";
import { escalatesAt, lookAgain, shownAt } from "./asking.ts";
import type { Answer, Question, Via } from "./question.ts";
import { getQuestion } from "./store.ts";

/**
 * Records a person's answer, for every run that waits for it, and wakes them, in one transaction.
 *
 * @throws {InputError} `question-unknown`, `question-closed`, `answer-refused` where somebody else is asked,
 * `choice-unknown` or `calls-missing`
 */
export async function answer(
  tx: Transaction,
  id: QuestionId,
  given: Answer & { readonly by: string; readonly via?: Via },
): Promise<Question> {
  const question = await lockLeader(tx, id);
  if (!mayAnswer(question, given.by)) throw notAsked(question, given.by);
  const choice = question.card.choices.find((one) => one.id === given.choice);
  if (choice === undefined) throw unknownChoice(question, given.choice);
  if (choice.wants === "calls" && (given.calls === undefined || given.calls.length === 0)) {
    throw new InputError({
      code: "calls-missing",
      message: `choice ${choice.id} of question ${question.id} needs "calls": the tool calls to make instead`,
    });
  }
  const { by, via = null, ...kept } = given;
  const { rows } = await tx.query<{ runId: RunId }>(
    `update factotum.questions
     set status = 'answered', answer = $2, answered_by = $3, answered_at = factotum.now(), answered_via = $4
     where (id = $1 or merged_into = $1) and status = 'open' returning run_id as "runId"`,
    [question.id, jsonbText(kept), by, via],
  );
  await wakeAll(
    tx,
    rows.map((row) => row.runId),
  );
  return getQuestion(tx, question.id);
}

/** Whether somebody is asked: anybody where nobody is named, else whoever is up to the level reached. */
export function mayAnswer({ chain, level }: Pick<Question, "chain" | "level">, by: string): boolean {
  return chain === null || asked(chain, level).includes(by);
}

function asked(chain: readonly Level[], level: number): readonly string[] {
  return [...new Set(chain.slice(0, level + 1).flatMap((one) => one.who))];
}

/**
 * Does what time has brought to an open question: answers it by its default, or asks the next level too.
 * In the turn of the run that waits for it.
 *
 * @returns the question as it then stands, and when to look again; null: when it is answered
 */
export async function tend(
  tx: Transaction,
  id: QuestionId,
  at: Date,
  attention: Attention = {},
): Promise<{ readonly question: Question; readonly until: Date | null }> {
  let question = await getQuestion(tx, id, { lock: true });
  if (question.status !== "open") return { question, until: null };
  if (question.dueAt !== null && question.dueAt <= at && question.defaultChoice !== null) {
    await tx.query(
      `update factotum.questions
       set status = 'expired', answer = $2, answered_by = 'default', answered_at = factotum.now()
       where id = $1`,
      [id, JSON.stringify({ choice: question.defaultChoice })],
    );
    await passOn(tx, id);
    return { question: await getQuestion(tx, id), until: null };
  }
  while (question.escalateAt !== null && question.escalateAt <= at) {
    question = await escalate(tx, question, question.escalateAt, attention);
  }
  const { dueAt, escalateAt, showAt } = question;
  return { question, until: lookAgain(at, dueAt, escalateAt, showAt) };
}

async function escalate(
  tx: Transaction,
  { id, chain, level, importance, showAt }: Question,
  at: Date,
  attention: Attention,
): Promise<Question> {
  const next = level + 1;
  const shown = shownAt(attention, chain, next, importance, at);
  await tx.query(
    "update factotum.questions set level = $2, show_at = $3, escalate_at = $4 where id = $1",
    // Whoever saw it already goes on seeing it.
    [id, next, showAt <= at ? showAt : shown, escalatesAt(chain, next, shown)],
  );
  return getQuestion(tx, id);
}

/** Takes open questions of a run back: what they asked about is over. */
export async function withdraw(tx: Transaction, runId: RunId): Promise<void> {
  const { rows } = await tx.query<{ id: QuestionId }>(
    `update factotum.questions set status = 'withdrawn' where run_id = $1 and status = 'open' returning id`,
    [runId],
  );
  for (const { id } of rows) await passOn(tx, id);
}

/** A question that is over without an answer leaves those that waited for it: the oldest is now the one. */
async function passOn(tx: Transaction, id: QuestionId): Promise<void> {
  await tx.query(
    `with heir as (
       select min(id) as id from factotum.questions where merged_into = $1 and status = 'open')
     update factotum.questions q set
       merged_into = nullif(heir.id, q.id),
       level = l.level, show_at = l.show_at,
       escalate_at = case when q.id = heir.id then l.escalate_at end
     from heir, factotum.questions l
     where q.merged_into = $1 and q.status = 'open' and l.id = $1`,
    [id],
  );
}

/** The question whose answer this one's is, locked and open. */
async function lockLeader(tx: Transaction, id: QuestionId): Promise<Question> {
  const named = await getQuestion(tx, id);
  const question = await getQuestion(tx, named.mergedInto ?? id, { lock: true });
  if (question.status === "open") return question;
  // The leader may have gone between the two reads, and left the question to another.
  const again = await getQuestion(tx, id);
  if (again.status === "open" && again.mergedInto !== named.mergedInto) return lockLeader(tx, id);
  throw closed(again);
}

function closed({ id, status, by, answer: given, answeredAt }: Question): InputError {
  const at = answeredAt === null ? "" : ` at ${answeredAt.toISOString()}`;
  const became = {
    open: "is being answered",
    answered: `was answered by ${by ?? "somebody"}${at}: ${given?.choice ?? ""}`,
    expired: `was nobody's in time, so its default was taken${at}: ${given?.choice ?? ""}`,
    spared: `was never put, since its default would do: ${given?.choice ?? ""}`,
    withdrawn: "was withdrawn with its run",
  }[status];
  return new InputError({
    code: "question-closed",
    message: `question ${id} ${became}; nothing was changed`,
  });
}

function notAsked({ id, chain, level }: Question, by: string): InputError {
  const who = asked(chain ?? [], level).join(", ");
  return new InputError({
    code: "answer-refused",
    message: `question ${id} is for ${who} to answer, and ${by} is none of them; nothing was changed`,
  });
}

function unknownChoice(question: Question, choice: string): InputError {
  const known = question.card.choices.map((one) => one.id).join(", ");
  return new InputError({
    code: "choice-unknown",
    message: `question ${question.id} has no choice "${choice}"; choose one of ${known}`,
  });
}
