import type { Json, JsonObject, QuestionId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type Attention, type Person, quietUntil } from "./people.ts";
import type { Question } from "./question.ts";

/** What a person is told of a question, for the channel that takes it to them. */
export type PersonMessage = {
  readonly person: string;
  readonly channel: string;
  readonly questions: readonly QuestionId[];
  readonly body: Json;
};

/** Makes the address of a page on which one person may answer one question. */
export type LinkTo = (question: QuestionId, person: string, at: Date) => string;

const ABOUT_CHARS_MAX = 2_000;
/** The most questions of one message. */
const TOGETHER_MAX = 20;
/** Questions that are looked at for one message. */
const LOOKED_AT_MAX = 100;
/** Between two questions of a mail. */
const BETWEEN = `\n${"-".repeat(60)}\n\n`;

/** What there is to know of a question to tell who is to be told of it. */
type Telling = Pick<Question, "chain" | "level" | "told" | "importance" | "mergedInto">;

/** Who is asked and has a channel, and was not told of a question yet. */
function untold({ chain, level, told, mergedInto }: Telling, { people = {} }: Attention): readonly string[] {
  if (chain === null || mergedInto !== null) return [];
  const asked = new Set(chain.slice(0, level + 1).flatMap((one) => one.who));
  return [...asked].filter((name) => people[name]?.tell !== undefined && !told.includes(name));
}

/** From when a person may be told of a question. */
function reachableAt(name: string, { importance }: Telling, { people = {} }: Attention, at: Date): Date {
  const person = people[name];
  if (importance === "urgent" || person === undefined) return at;
  return quietUntil(person, at) ?? at;
}

/** Who is to be told of a question now: each as soon as their own quiet hours are over. */
export function toldNow(question: Telling, attention: Attention, at: Date): readonly string[] {
  return untold(question, attention).filter((name) => reachableAt(name, question, attention, at) <= at);
}

/** When the next is to be told of a question; null where everybody was, or has no channel. */
export function tellsAt(question: Telling, attention: Attention, at: Date): Date | null {
  const times = untold(question, attention).map((name) => reachableAt(name, question, attention, at));
  return times.length === 0 ? null : new Date(Math.min(...times.map((time) => time.getTime())));
}

/** Whether a person is told of a question later than it was asked, so that it may come with others. */
function waited({ level, askedAt, ...question }: Question, person: string, attention: Attention): boolean {
  const first = question.chain?.[0]?.who ?? [];
  if (level > 0 && !first.includes(person)) return true;
  return reachableAt(person, { ...question, level }, attention, askedAt) > askedAt;
}

/**
 * The messages about a question that are due now: one to everybody who is asked, was not told yet and may be
 * disturbed, with the others that waited for the same person.
 *
 * @param question the one whose run tells
 * @param others see `dueTogether`
 */
export function messagesOf(
  question: Question,
  attention: Attention,
  at: Date,
  linkTo: LinkTo | undefined,
  others: readonly Question[] = [],
): readonly PersonMessage[] {
  return toldNow(question, attention, at).flatMap((person): PersonMessage[] => {
    const tell = attention.people?.[person]?.tell;
    if (tell === undefined) return [];
    const isDue = (one: Question): boolean =>
      waited(one, person, attention) && toldNow(one, attention, at).includes(person);
    const together = waited(question, person, attention) ? others.filter(isDue) : [];
    const told = [question, ...together.slice(0, TOGETHER_MAX - 1)];
    const asked = told.map((one) => ({ one, url: linkTo?.(one.id, person, at) }));
    const questions = told.map((one) => one.id);
    return [{ person, channel: tell.channel, questions, body: bodyFor(asked, person, tell) }];
  });
}

/** Other open questions of the tenant that the people of this one are asked and were not told of. */
export async function dueTogether(
  tx: Pick<Transaction, "query">,
  { id, tenant }: Question,
  people: readonly string[],
): Promise<readonly QuestionId[]> {
  const { rows } = await tx.query<{ id: QuestionId }>(
    `select id from factotum.questions
     where status = 'open' and merged_into is null and id <> $1 and tenant = $2 and chain is not null
       and exists (select from json_array_elements(chain) with ordinality as l (step, place),
         json_array_elements_text(step -> 'who') who
         where place <= level + 1 and who = any ($3) and who <> all (told))
     order by id limit $4`,
    [id, tenant, people, LOOKED_AT_MAX],
  );
  return rows.map((row) => row.id);
}

/**
 * Notes who is told of which questions, in the turn that tells them.
 *
 * @returns false, with nothing noted, where one was answered, or somebody told, meanwhile: look again
 */
export async function markTold(
  tx: Transaction,
  messages: readonly Pick<PersonMessage, "person" | "questions">[],
): Promise<boolean> {
  const pairs = messages.flatMap(({ person, questions }) => questions.map((id) => [id, person] as const));
  const columns = [pairs.map(([id]) => id), pairs.map(([, person]) => person)];
  await tx.query("select from factotum.questions where id = any ($1) order by id for update", [columns[0]]);
  const { rows } = await tx.query(
    `select from unnest($1::bigint[], $2::text[]) p (id, person) join factotum.questions q using (id)
     where q.status = 'open' and p.person <> all (q.told)`,
    columns,
  );
  if (rows.length < pairs.length) return false;
  await tx.query(
    `update factotum.questions q set told = q.told || p.people
     from (select id, array_agg(person) as people from unnest($1::bigint[], $2::text[]) u (id, person)
       group by id) p
     where q.id = p.id`,
    columns,
  );
  return true;
}

type Asked = { readonly one: Question; readonly url: string | undefined };

function bodyFor(asked: readonly Asked[], person: string, { as, to }: NonNullable<Person["tell"]>): Json {
  const [first, ...more] = asked;
  if (first === undefined) return null;
  if (as === "json") {
    if (more.length === 0) return { kind: "question", ...partsOf(first), person, to };
    return { kind: "questions", person, to, questions: asked.map(partsOf) };
  }
  const title =
    more.length === 0 ? first.one.card.title : `${asked.length} questions: ${first.one.card.title}`;
  return { to, subject: subjectLine(title), text: asked.map(textOf).join(BETWEEN) };
}

function partsOf({ one, url }: Asked): JsonObject {
  const { id, runId, agent, card, defaultChoice, dueAt, importance } = one;
  return {
    ...{ question: id, runId, agent, importance },
    ...{ title: card.title, about: aboutOf(one), because: [...card.because], choices: choicesOf(one) },
    ...{ defaultChoice, dueAt: dueAt?.toISOString() ?? null, url: url ?? null },
  };
}

function textOf({ one, url }: Asked): string {
  const { id, card, defaultChoice, dueAt } = one;
  const otherwise =
    defaultChoice === null || dueAt === null
      ? []
      : [`Without an answer by ${dueAt.toISOString()} it is: ${defaultChoice}`];
  return [
    ...[card.title, "", ...card.because.map((reason) => `- ${reason}`), aboutOf(one), ""],
    ...choicesOf(one).map((choice) => `  ${choice.id}: ${choice.label}`),
    ...["", ...otherwise, url === undefined ? `factotum answer ${id} CHOICE` : `Answer here: ${url}`, ""],
  ].join("\n");
}

function aboutOf({ card }: Question): string {
  return card.about.slice(0, ABOUT_CHARS_MAX);
}

function choicesOf({ card }: Question): { readonly id: string; readonly label: string }[] {
  return card.choices.map(({ id, label }) => ({ id, label }));
}

/** One line of at most 200 characters. */
function subjectLine(title: string): string {
  return title.replaceAll(/\s+/g, " ").trim().slice(0, 200) || "A question";
}
