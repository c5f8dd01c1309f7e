import type { Json, JsonObject, QuestionId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Attention, Person } from "./people.ts";
import type { Question } from "./question.ts";

/** What a person is told of a question, for the channel that takes it to them. */
export type PersonMessage = { readonly person: string; readonly channel: string; readonly body: Json };

/** Makes the address of a page on which one person may answer one question. */
export type LinkTo = (question: QuestionId, person: string, at: Date) => string;

const ABOUT_CHARS_MAX = 2_000;
/** The most questions of one message. */
const TOGETHER_MAX = 20;
/** Between two questions of a mail. */
const BETWEEN = `\n${"-".repeat(60)}\n\n`;

/**
 * The messages about open questions that are due now and go to the same people: one to everybody up to the
 * level reached who was not told yet and who has a channel, however many questions there are.
 *
 * @param question the one whose run tells; `together` are those that waited with it, see `dueTogether`
 */
export function messagesOf(
  question: Question,
  { people = {} }: Attention,
  at: Date,
  linkTo: LinkTo | undefined,
  together: readonly Question[] = [],
): readonly PersonMessage[] {
  const { chain, level, toldLevel } = question;
  if (chain === null || !isDue(question, at)) return [];
  const before = new Set(chain.slice(0, toldLevel + 1).flatMap((one) => one.who));
  const now = new Set(chain.slice(toldLevel + 1, level + 1).flatMap((one) => one.who));
  return [...now]
    .filter((name) => !before.has(name))
    .flatMap((person): PersonMessage[] => {
      const tell = people[person]?.tell;
      if (tell === undefined) return [];
      const asked = [question, ...together].map((one) => ({ one, url: linkTo?.(one.id, person, at) }));
      return [{ person, channel: tell.channel, body: bodyFor(asked, person, tell) }];
    });
}

/** Whether people are to be told of a question who were not. */
function isDue({ level, toldLevel, showAt, mergedInto }: Question, at: Date): boolean {
  return mergedInto === null && showAt <= at && toldLevel < level;
}

/**
 * The other questions that waited for the end of the same people's quiet hours and are due now: they are told
 * together. None where this one did not wait.
 */
export async function dueTogether(
  tx: Pick<Transaction, "query">,
  { id, tenant, chain, level, toldLevel, showAt, askedAt, mergedInto }: Question,
  at: Date,
): Promise<readonly QuestionId[]> {
  if (showAt <= askedAt || mergedInto !== null) return [];
  const { rows } = await tx.query<{ id: QuestionId }>(
    `select id from factotum.questions
     where status = 'open' and merged_into is null and id <> $1 and tenant = $2
       and chain::jsonb = $3::jsonb and level = $4 and told_level = $5
       and show_at > asked_at and show_at <= $6
     order by id limit $7`,
    [id, tenant, JSON.stringify(chain), level, toldLevel, at, TOGETHER_MAX - 1],
  );
  return rows.map((row) => row.id);
}

/**
 * Notes that people have been told of questions, in the turn that tells them.
 *
 * @returns false, with nothing noted, where one of them was answered or told of meanwhile: look again
 */
export async function markTold(tx: Transaction, ids: readonly QuestionId[], level: number): Promise<boolean> {
  const { rows } = await tx.query(
    `select from factotum.questions
     where id = any ($1) and status = 'open' and level = $2 and told_level < $2 order by id for update`,
    [ids, level],
  );
  if (rows.length < ids.length) return false;
  await tx.query("update factotum.questions set told_level = $2 where id = any ($1)", [ids, level]);
  return true;
}

/** Whether anybody would be told of a question by a channel. */
export function isTellable({ chain }: Pick<Question, "chain">, { people = {} }: Attention): boolean {
  return (chain ?? []).some((level) => level.who.some((name) => people[name]?.tell !== undefined));
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
