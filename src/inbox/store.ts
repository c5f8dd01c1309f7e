import {
  InputError,
  type MicroUsd,
  microUsd,
  type QuestionId,
  type RunId,
  type TenantId,
} from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Question, QuestionStatus } from "./question.ts";

const COLUMNS = `q.id, q.run_id as "runId", q.tenant, q.agent, q.card, q.status,
  q.default_choice as "defaultChoice", q.due_at as "dueAt", q.asked_at as "askedAt", q.answer,
  q.answered_by as "by", q.answered_at as "answeredAt", q.answered_via as via, q.topic, q.importance,
  q.stake_micro_usd as stake, q.because, q.chain, q.level,
  q.told, q.show_at as "showAt",
  q.escalate_at as "escalateAt", q.merged_into as "mergedInto",
  (select count(*)::integer from factotum.questions f
    where f.merged_into = q.id and f.status = 'open') as "alsoFor"`;

/** The most questions one listing returns. */
const LIST_MAX = 500;

type Row = Omit<Question, "stake"> & { readonly stake: string | null };

/** What reading needs: a transaction or the database itself. */
type Reader = Pick<Transaction, "query">;

/** @throws {InputError} `question-unknown` */
export async function getQuestion(
  tx: Reader,
  id: QuestionId,
  { lock = false }: { readonly lock?: boolean } = {},
): Promise<Question> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from factotum.questions q where q.id = $1 ${lock ? "for update" : ""}`,
    [id],
  );
  return rows[0] === undefined ? refuseUnknown(id) : questionOf(rows[0]);
}

/** Which questions to list. */
export type QuestionFilter = {
  /** `open` unless told. */
  readonly status?: QuestionStatus;
  readonly runId?: RunId;
  /** Only those that this person may answer. */
  readonly person?: string;
  /** Leaves out those that people are to see later than this, at the end of their quiet hours. */
  readonly at?: Date;
  readonly limit?: number;
};

/** Questions, oldest first; by default the open ones, each that is asked once. */
export async function listQuestions(tx: Reader, filter: QuestionFilter = {}): Promise<readonly Question[]> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from factotum.questions q
     where q.status = $1 and ($2::bigint is null or q.run_id = $2)
       and (q.merged_into is null or $2::bigint is not null)
       and ($3::timestamptz is null or q.show_at <= $3)
       and ($4::text is null or q.chain is null or exists (
         select from json_array_elements(q.chain) with ordinality as l (step, place)
         where place <= q.level + 1 and (step -> 'who')::jsonb ? $4))
     order by q.id limit $5`,
    [
      ...[filter.status ?? "open", filter.runId ?? null, filter.at ?? null, filter.person ?? null],
      ...[Math.min(filter.limit ?? LIST_MAX, LIST_MAX)],
    ],
  );
  return rows.map(questionOf);
}

/** The questions of a run, whatever became of them, in the order they were asked. */
export async function questionsOf(tx: Reader, runId: RunId): Promise<readonly Question[]> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from factotum.questions q where q.run_id = $1 order by q.id`,
    [runId],
  );
  return rows.map(questionOf);
}

/** What the questions of a run that were asked under one subject came to, the newest last. */
export async function askedBefore(tx: Reader, runId: RunId, subject: string): Promise<Question | undefined> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from factotum.questions q
     where q.run_id = $1 and q.subject = $2 and q.status <> 'withdrawn' order by q.id desc limit 1`,
    [runId, subject],
  );
  return rows.map(questionOf)[0];
}

/** How many questions an agent's people have open. */
export async function countOpen(tx: Reader, tenant: TenantId): Promise<number> {
  const { rows } = await tx.query<{ n: number }>(
    `select count(*)::integer as n from factotum.questions
     where tenant = $1 and status = 'open' and merged_into is null`,
    [tenant],
  );
  return rows[0]?.n ?? 0;
}

function questionOf({ stake, ...row }: Row): Question {
  const kept: MicroUsd | null = stake === null ? null : microUsd(BigInt(stake));
  return { ...row, stake: kept };
}

function refuseUnknown(id: string): never {
  throw new InputError({
    code: "question-unknown",
    message: `there is no question ${id}; list the open ones with: factotum inbox`,
  });
}
