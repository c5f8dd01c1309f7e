import type { Json, QuestionId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Attention, Person } from "./people.ts";
import type { Question } from "./question.ts";

/** What a person is told of a question, for the channel that takes it to them. */
export type PersonMessage = { readonly person: string; readonly channel: string; readonly body: Json };

/** Makes the address of a page on which one person may answer one question. */
export type LinkTo = (question: QuestionId, person: string, at: Date) => string;

const ABOUT_CHARS_MAX = 2_000;

/**
 * The messages about an open question that are due now: to everybody up to the level reached who was not
 * told yet, who is to see it now, and who has a channel.
 */
export function messagesOf(
  question: Question,
  { people = {} }: Attention,
  at: Date,
  linkTo: LinkTo | undefined,
): readonly PersonMessage[] {
  const { chain, level, toldLevel, showAt, mergedInto } = question;
  if (chain === null || mergedInto !== null || showAt > at || toldLevel >= level) return [];
  const before = new Set(chain.slice(0, toldLevel + 1).flatMap((one) => one.who));
  const now = new Set(chain.slice(toldLevel + 1, level + 1).flatMap((one) => one.who));
  return [...now]
    .filter((name) => !before.has(name))
    .flatMap((name): PersonMessage[] => {
      const tell = people[name]?.tell;
      if (tell === undefined) return [];
      const url = linkTo?.(question.id, name, at);
      return [{ person: name, channel: tell.channel, body: bodyFor(question, name, tell, url) }];
    });
}

/** Whether anybody would be told of a question by a channel. */
export function isTellable({ chain }: Pick<Question, "chain">, { people = {} }: Attention): boolean {
  return (chain ?? []).some((level) => level.who.some((name) => people[name]?.tell !== undefined));
}

/** Notes that the people up to a level have been told. */
export async function markTold(tx: Transaction, id: QuestionId, level: number): Promise<void> {
  await tx.query("update factotum.questions set told_level = $2 where id = $1", [id, level]);
}

function bodyFor(
  { id, runId, agent, card, defaultChoice, dueAt, importance }: Question,
  person: string,
  { as, to }: NonNullable<Person["tell"]>,
  url: string | undefined,
): Json {
  const about = card.about.slice(0, ABOUT_CHARS_MAX);
  const choices = card.choices.map(({ id: choice, label }) => ({ id: choice, label }));
  if (as === "json") {
    return {
      ...{ kind: "question", question: id, runId, agent, person, to, importance },
      ...{ title: card.title, about, because: card.because, choices, defaultChoice },
      ...{ dueAt: dueAt?.toISOString() ?? null, url: url ?? null },
    };
  }
  const otherwise =
    defaultChoice === null || dueAt === null
      ? []
      : [`Without an answer by ${dueAt.toISOString()} it is: ${defaultChoice}`];
  const text = [
    ...[card.title, "", ...card.because.map((one) => `- ${one}`), about, ""],
    ...choices.map((choice) => `  ${choice.id}: ${choice.label}`),
    ...["", ...otherwise, url === undefined ? `factotum answer ${id} CHOICE` : `Answer here: ${url}`, ""],
  ].join("\n");
  return { to, subject: subjectLine(card.title), text };
}

/** One line of at most 200 characters. */
function subjectLine(title: string): string {
  return title.replaceAll(/\s+/g, " ").trim().slice(0, 200) || "A question";
}
