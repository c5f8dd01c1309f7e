import type { Question } from "../server/index.ts";
import { cleanLine, cleanText } from "./clean-text.ts";
import { renderChanges } from "./render-changes.ts";
import { renderTime } from "./render-time.ts";
import type { Paint } from "./terminal.ts";

/** The most lines of the source text a card shows; `show RUN --json` has all of it. */
const ABOUT_LINES_MAX = 40;

/** A question as a person reads it: what is unsure and why, what would change, and the choices. */
export function renderCard(question: Question, paint: Paint): string {
  const { card } = question;
  return [
    `${paint.bold(`question ${question.id}`)}  ${cleanLine(card.title)}`,
    paint.dim(`run ${question.runId} of ${cleanLine(question.agent)}, asked ${renderTime(question.askedAt)}`),
    ...deadline(question),
    ...section("where it comes from", aboutLines(card.about, paint), paint),
    ...section("what would change", renderChanges(card.changes, paint), paint),
    ...section("what was asked for", wishLines(card, paint), paint),
    ...section("why you are asked", becauseLines(card.because, paint), paint),
  ].join("\n");
}

/** The choices of a card, for where no dialogue offers them. */
export function renderChoices(question: Question, paint: Paint): string {
  const lines = question.card.choices.map((choice) => renderChoice(choice, paint));
  return [paint.bold("choices"), ...lines].join("\n");
}

/** A question on one line, for listings. */
export function renderQuestionLine(question: Question): readonly string[] {
  const { id, runId, card } = question;
  const choices = card.choices.map((choice) => choice.id).join("|");
  return [id, runId, cleanLine(card.title, 60), String(card.changes.length), cleanLine(choices, 60)];
}

function section(title: string, lines: readonly string[], paint: Paint): readonly string[] {
  return lines.length === 0 ? [] : ["", paint.bold(title), ...lines];
}

function deadline({ dueAt, defaultChoice }: Question): readonly string[] {
  if (dueAt === null || defaultChoice === null) return [];
  return [`answers itself with "${cleanLine(defaultChoice)}" at ${renderTime(dueAt)}`];
}

function becauseLines(because: readonly string[], paint: Paint): readonly string[] {
  return because.map((one) => `  - ${paint.yellow(cleanLine(one))}`);
}

function wishLines({ wishes = [] }: Question["card"], paint: Paint): readonly string[] {
  return wishes.map(
    ({ what, done }) => `  ${done ? paint.green("done    ") : paint.yellow("not done")}  ${cleanLine(what)}`,
  );
}

function aboutLines(about: string, paint: Paint): readonly string[] {
  const lines = cleanText(about).trim().split("\n");
  if (lines.length === 1 && lines[0] === "") return [];
  const more = lines.length - ABOUT_LINES_MAX;
  const kept = lines.slice(0, ABOUT_LINES_MAX).map((line) => paint.dim(`  | ${line}`));
  return more > 0 ? [...kept, paint.dim(`  | … ${more} more lines`)] : kept;
}

function renderChoice(choice: Question["card"]["choices"][number], paint: Paint): string {
  const wants = choice.wants === "calls" ? "  (with --calls FILE)" : "";
  return `  ${paint.cyan(cleanLine(choice.id))}  ${cleanLine(choice.label)}${paint.dim(wants)}`;
}
