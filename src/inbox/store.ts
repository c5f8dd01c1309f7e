import { InputError, jsonbText, type QuestionId, type RunId, type TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { wake } from "../runs/index.ts";
import type { Answer, Card, Question } from "./question.ts";

const COLUMNS = `id, run_id as "runId", tenant, agent, card, status, default_choice as "defaultChoice",
  due_at as "dueAt", asked_at as "askedAt", answer, answered_by as "by"`;

/** The most questions one listing returns. */
const LIST_MAX = 500;

/** A question before it has an id. With `defaultChoice`, `dueAt` is when it answers itself. */
export type NewQuestion = {
  readonly runId: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  readonly card: Card;
  readonly defaultChoice?: string;
  readonly dueAt?: Date;
};

/** Puts a question to people, in the caller's transaction, so that it exists only if the turn committed. */
export async function ask(tx: Transaction, question: NewQuestion): Promise<QuestionId> {
  const { rows } = await tx.query<{ id: QuestionId }>(
    `insert into factotum.questions (run_id, tenant, agent, card, default_choice, due_at)
     values ($1, $2, $3, $4, $5, $6) returning id`,
    [
      ...[question.runId, question.tenant, question.agent, jsonbText(question.card)],
      ...[question.defaultChoice ?? null, question.dueAt ?? null],
    ],
  );
  return rows[0]?.id as QuestionId;
}

/**
 * Records a person's answer and wakes the run, in one transaction.
 *
 * @throws {InputError} `question-unknown`, `question-closed`, `choice-unknown` or `calls-missing`
 */
export async function answer(
  tx: Transaction,
  id: QuestionId,
  given: Answer & { readonly by: string },
): Promise<Question> {
  const question = await lockQuestion(tx, id);
  const choice = question.card.choices.find((one) => one.id === given.choice);
  if (choice === undefined) throw unknownChoice(question, given.choice);
  if (choice.wants === "calls" && (given.calls === undefined || given.calls.length === 0)) {
    throw new InputError({
      code: "calls-missing",
      message: `choice ${choice.id} of question ${id} needs "calls": the tool calls to make instead`,
    });
  }
  const { by, ...kept } = given;
  const { rows } = await tx.query<Question>(
    `update factotum.questions
     set status = 'answered', answer = $2, answered_by = $3, answered_at = factotum.now()
     where id = $1 returning ${COLUMNS}`,
    [id, jsonbText(kept), by],
  );
  await wake(tx, question.runId);
  return rows[0] as Question;
}

/** Answers the question by its default where its time is up; returns it as it then stands. */
export async function settleDue(tx: Transaction, id: QuestionId, at: Date): Promise<Question> {
  const question = await getQuestion(tx, id);
  if (question.status !== "open" || question.dueAt === null || question.dueAt > at) return question;
  if (question.defaultChoice === null) return question;
  const { rows } = await tx.query<Question>(
    `update factotum.questions
     set status = 'expired', answer = $2, answered_by = 'default', answered_at = factotum.now()
     where id = $1 and status = 'open' returning ${COLUMNS}`,
    [id, JSON.stringify({ choice: question.defaultChoice })],
  );
  return rows[0] ?? getQuestion(tx, id);
}

/** Takes open questions of a run back: what they asked about is over. */
export async function withdraw(tx: Transaction, runId: RunId): Promise<void> {
  await tx.query(`update factotum.questions set status = 'withdrawn' where run_id = $1 and status = 'open'`, [
    runId,
  ]);
}

/** @throws {InputError} `question-unknown` */
export async function getQuestion(tx: Transaction, id: QuestionId): Promise<Question> {
  const { rows } = await tx.query<Question>(`select ${COLUMNS} from factotum.questions where id = $1`, [id]);
  return rows[0] ?? refuseUnknown(id);
}

/** Questions, oldest first; by default the open ones. */
export async function listQuestions(
  tx: Pick<Transaction, "query">,
  filter: { readonly status?: Question["status"]; readonly runId?: RunId; readonly limit?: number } = {},
): Promise<readonly Question[]> {
  const { rows } = await tx.query<Question>(
    `select ${COLUMNS} from factotum.questions
     where status = $1 and ($2::bigint is null or run_id = $2) order by id limit $3`,
    [filter.status ?? "open", filter.runId ?? null, Math.min(filter.limit ?? LIST_MAX, LIST_MAX)],
  );
  return rows;
}

async function lockQuestion(tx: Transaction, id: QuestionId): Promise<Question> {
  const { rows } = await tx.query<Question>(
    `select ${COLUMNS} from factotum.questions where id = $1 for update`,
    [id],
  );
  const question = rows[0] ?? refuseUnknown(id);
  if (question.status === "open") return question;
  throw new InputError({
    code: "question-closed",
    message: `question ${id} is ${question.status} by ${question.by ?? "its run"}; nothing was changed`,
  });
}

function unknownChoice(question: Question, choice: string): InputError {
  const known = question.card.choices.map((one) => one.id).join(", ");
  return new InputError({
    code: "choice-unknown",
    message: `question ${question.id} has no choice "${choice}"; choose one of ${known}`,
  });
}

function refuseUnknown(id: string): never {
  throw new InputError({
    code: "question-unknown",
    message: `there is no question ${id}; list the open ones with: factotum inbox`,
  });
}
