import { createHash } from "node:crypto";
import {
  canonicalJson,
  jsonbText,
  type MicroUsd,
  must,
  type QuestionId,
  type RunId,
  storableText,
  type TenantId,
  toJson,
} from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { wakeAll } from "../runs/index.ts";
import { type Observed, type Weighed, weigh } from "./economics.ts";
import { tellsAt } from "./messages.ts";
import { type Attention, chainFor, type Level, quietUntil, secondsOf } from "./people.ts";
import { type Card, type Importance, importances } from "./question.ts";
import { countOpen } from "./store.ts";

/** A question before it has an id. With `defaultChoice`, `dueAt` is when it answers itself. */
export type NewQuestion = {
  readonly runId: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  readonly card: Card;
  readonly defaultChoice?: string;
  readonly dueAt?: Date;
  /** What kind of question it is; `card` unless told. */
  readonly topic?: string;
  /** Makes it the same question as another of this agent, whichever run asks it; see `subjectOf`. */
  readonly subject?: string;
  readonly importance?: Importance;
  /** What a wrong choice would cost. Without it, or without a default, the question is always put. */
  readonly stake?: MicroUsd;
};

/** A question that was asked. */
export type Asked = {
  readonly id: QuestionId;
  /** Spared: the default stands, and nobody is interrupted. */
  readonly status: "open" | "spared";
  /** When the run must look at it again, if it is not answered before. */
  readonly until: Date | null;
};

const QUIET_FACTOR_DEFAULT = 5;
const USD_PER_HOUR_DEFAULT = 60;
/** The answers that are learned from: an agent that was mended is not judged by what it did before. */
const OBSERVED_MAX = 200;
/** One of so many that would be spared is put all the same, so that what is believed can be found wrong. */
const AUDIT_EVERY = 20;

/** One text for a question whoever asks it: case, spaces and the order of the choices do not count. */
export function subjectOf(asked: {
  readonly topic: string;
  readonly question: string;
  readonly choices: readonly string[];
}): string {
  const plain = [
    asked.topic,
    asked.question.toLowerCase().replaceAll(/\s+/g, " ").trim(),
    asked.choices.toSorted(),
  ];
  return createHash("sha256")
    .update(canonicalJson(toJson(plain)))
    .digest("hex");
}

/**
 * Puts a question to people, or lets its default stand, in the caller's transaction, so that it exists only
 * if the turn committed. One that another run of the agent has open under the same subject waits for the
 * answer to that one.
 */
export async function ask(tx: Transaction, question: NewQuestion, attention: Attention = {}): Promise<Asked> {
  const topic = question.topic ?? "card";
  const { rows: now } = await tx.query<{ at: Date }>("select factotum.now() as at");
  const at = must(now[0], "the present").at;
  const leader = await sameOpen(tx, question);
  const chain = chainFor(attention, { ...question, topic });
  const weighed = leader === undefined ? await reckon(tx, { question, topic, chain, attention, at }) : null;
  const spared = weighed?.put === false;
  const showAt = shownAt(attention, chain, 0, question.importance ?? "normal", at);
  const escalateAt = escalatesAt(chain, 0, showAt);
  if (leader !== undefined) await raise(tx, leader, question.importance ?? "normal", showAt);
  const { rows } = await tx.query<{ id: QuestionId }>(
    `insert into factotum.questions (run_id, tenant, agent, card, default_choice, due_at, topic, subject,
       importance, stake_micro_usd, because, chain, show_at, escalate_at, merged_into,
       status, answer, answered_by, answered_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
       $16, $17, $18, case when $16 = 'spared' then factotum.now() end) returning id`,
    [
      ...[question.runId, question.tenant, question.agent, jsonbText(question.card)],
      ...[question.defaultChoice ?? null, question.dueAt ?? null, storableText(topic)],
      ...[question.subject ?? null, question.importance ?? "normal"],
      question.stake === undefined ? null : String(question.stake),
      ...[weighed?.because ?? null, chain === null ? null : JSON.stringify(chain)],
      ...[showAt, leader === undefined ? escalateAt : null, leader?.id ?? null],
      spared ? "spared" : "open",
      spared ? JSON.stringify({ choice: question.defaultChoice }) : null,
      spared ? "default" : null,
    ],
  );
  const id = must(rows[0], "the question that was asked").id;
  if (spared) return { id, status: "spared", until: null };
  const fresh = { chain, level: 0, told: [], mergedInto: leader?.id ?? null };
  const tells = tellsAt({ ...fresh, importance: question.importance ?? "normal" }, attention, at);
  // The run itself tells people of it, once the question is there.
  if (tells !== null && tells <= at) return { id, status: "open", until: at };
  const until = lookAgain(at, question.dueAt ?? null, leader ? null : escalateAt, showAt, tells);
  return { id, status: "open", until };
}

/** When a run that waits for a question must look at it: it shows, it escalates, or its time is up. */
export function lookAgain(at: Date, ...times: readonly (Date | null)[]): Date | null {
  const coming = times.filter((time) => time !== null).filter((time) => time > at);
  return coming.length === 0 ? null : new Date(Math.min(...coming.map((time) => time.getTime())));
}

/** From when the people of a level see a question: at once, or when the first of them may be disturbed. */
export function shownAt(
  { people = {} }: Attention,
  chain: readonly Level[] | null,
  level: number,
  importance: Importance,
  at: Date,
): Date {
  const who = chain?.[level]?.who ?? [];
  if (importance === "urgent" || who.length === 0) return at;
  const ends = who.map((name) => {
    const person = people[name];
    return (person === undefined ? null : quietUntil(person, at)) ?? at;
  });
  return new Date(Math.min(...ends.map((end) => end.getTime())));
}

/** When the level after `level` is asked too; null where there is none. */
export function escalatesAt(chain: readonly Level[] | null, level: number, shown: Date): Date | null {
  const minutes = chain?.[level]?.forMinutes;
  if (minutes === undefined || chain?.[level + 1] === undefined) return null;
  return new Date(shown.getTime() + minutes * 60_000);
}

/** The question whose answer another waits for. */
type Leader = { readonly id: QuestionId; readonly runId: RunId; readonly importance: Importance };

/** The open question of this agent that asks the same. Locked, so that it is not answered meanwhile. */
async function sameOpen(tx: Transaction, question: NewQuestion): Promise<Leader | undefined> {
  const { tenant, agent, subject } = question;
  if (subject === undefined) return undefined;
  // Two runs that ask the same at once would not see each other's row.
  await tx.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
    `factotum question ${tenant}/${agent}/${subject}`,
  ]);
  const { rows } = await tx.query<Leader>(
    `select id, run_id as "runId", importance from factotum.questions
     where tenant = $1 and agent = $2 and subject = $3 and status = 'open' and merged_into is null
     order by id limit 1 for update`,
    [tenant, agent, subject],
  );
  return rows[0];
}

/** A question is as important as the most important of those that wait for its answer. */
async function raise(tx: Transaction, leader: Leader, importance: Importance, showAt: Date): Promise<void> {
  if (importances.indexOf(importance) <= importances.indexOf(leader.importance)) return;
  await tx.query(
    "update factotum.questions set importance = $2, show_at = least(show_at, $3) where id = $1",
    [leader.id, importance, showAt],
  );
  // Its run tells people of it, who may be disturbed now.
  await wakeAll(tx, [leader.runId]);
}

async function reckon(
  tx: Transaction,
  given: {
    readonly question: NewQuestion;
    readonly topic: string;
    readonly chain: readonly Level[] | null;
    readonly attention: Attention;
    readonly at: Date;
  },
): Promise<Weighed | null> {
  const { question, topic, chain, attention, at } = given;
  if (question.stake === undefined || question.defaultChoice === undefined) return null;
  const people = (chain?.[0]?.who ?? []).flatMap((name) => attention.people?.[name] ?? []);
  const quiet = people.length > 0 && people.every((person) => quietUntil(person, at) !== null);
  const weighed = weigh({
    observed: await observed(tx, question, topic),
    stake: question.stake,
    importance: question.importance ?? "normal",
    seconds: secondsOf(attention),
    usdPerHour: cheapest(people.map((one) => one.usdPerHour ?? USD_PER_HOUR_DEFAULT)),
    quietFactor: quiet ? (attention.quietFactor ?? QUIET_FACTOR_DEFAULT) : null,
    open: await countOpen(tx, question.tenant),
  });
  if (weighed.put || !(await isAudit(tx, question, topic))) return weighed;
  return { put: true, because: `${weighed.because}; put all the same, as one in ${AUDIT_EVERY} is` };
}

/** Whoever's hour costs least may answer as well as another. */
function cheapest(rates: readonly number[]): number {
  return rates.length === 0 ? USD_PER_HOUR_DEFAULT : Math.min(...rates);
}

/** How the last answers of people to questions of this kind stood to the default. */
async function observed(tx: Transaction, { tenant, agent }: NewQuestion, topic: string): Promise<Observed> {
  const { rows } = await tx.query<{ wrong: number; right: number }>(
    `select count(*) filter (where is_wrong)::integer as wrong,
       count(*) filter (where not is_wrong)::integer as right
     from (select answer ->> 'choice' <> default_choice as is_wrong from factotum.questions
       where tenant = $1 and agent = $2 and topic = $3 and status = 'answered'
         and default_choice is not null and merged_into is null
       order by answered_at desc limit $4) latest`,
    [tenant, agent, topic, OBSERVED_MAX],
  );
  return rows[0] ?? { wrong: 0, right: 0 };
}

async function isAudit(tx: Transaction, { tenant, agent }: NewQuestion, topic: string): Promise<boolean> {
  const { rows } = await tx.query<{ n: number }>(
    `select count(*)::integer as n from factotum.questions
     where tenant = $1 and agent = $2 and topic = $3 and status = 'spared'
       and id > coalesce((select max(id) from factotum.questions
         where tenant = $1 and agent = $2 and topic = $3 and status <> 'spared'), 0)`,
    [tenant, agent, topic],
  );
  return (rows[0]?.n ?? 0) + 1 >= AUDIT_EVERY;
}
