import { defaultTenant, formatUsd } from "../kernel/index.ts";
import type { Attempt, Question, RunStory } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderChanges } from "./render-changes.ts";
import { renderCost } from "./render-money.ts";
import { renderEffectOfRun } from "./render-effects.ts";
import { renderStep } from "./render-step.ts";
import { renderTime } from "./render-time.ts";
import { renderRefusal, renderVerdicts } from "./render-verdicts.ts";
import type { Paint } from "./terminal.ts";

const DETAIL_CHARS_MAX = 240;
const CHILDREN_SHOWN_MAX = 10;

/** A run as a person reads it: what it came to, timeline, attempts with verdicts and diff, questions. */
export function renderStory(story: RunStory, paint: Paint): string {
  const { run } = story;
  return [
    `${paint.bold(`run ${run.id}`)}  ${cleanLine(run.title)}`,
    paint.dim(
      `${cleanLine(run.agent)}, started ${renderTime(run.createdAt)}, key ${cleanLine(run.key ?? "none")}`,
    ),
    ...kinship(story, paint),
    `${standing(story)}; cost ${renderCost(story.cost, story.tokens)}, value ${formatUsd(story.value)}`,
    "",
    paint.bold("timeline"),
    ...story.steps.map((step) => renderStep(step, paint)),
    ...moreSteps(story, paint),
    ...story.attempts.flatMap((attempt) => ["", ...renderAttempt(attempt, paint)]),
    ...questionLines(story.questions, paint),
    ...effectLines(story.effects, paint),
  ].join("\n");
}

/** Whose it is where there are several, what it belongs to, and by when it must be over. */
function kinship({ run }: RunStory, paint: Paint): readonly string[] {
  const { tenant, parentId, children, deadlineAt } = run;
  const shown = children.slice(0, CHILDREN_SHOWN_MAX).join(", ");
  const more =
    children.length > CHILDREN_SHOWN_MAX ? ` and ${children.length - CHILDREN_SHOWN_MAX} more` : "";
  const facts = [
    ...(tenant === defaultTenant ? [] : [`tenant ${cleanLine(tenant)}`]),
    ...(parentId === null ? [] : [`handed on by run ${parentId}`]),
    ...(children.length === 0 ? [] : [`handed on to run ${shown}${more}`]),
    ...(deadlineAt === null ? [] : [`must be over by ${renderTime(deadlineAt)}`]),
  ];
  return facts.length === 0 ? [] : [paint.dim(facts.join(", "))];
}

function standing({ run, changeSets }: RunStory): string {
  const came = run.disposition === null ? run.status : `${run.status}, ${run.disposition}`;
  const outcome =
    run.outcome === null || run.outcome === run.disposition ? "" : ` (${cleanLine(run.outcome)})`;
  const wakes = run.wakeAt === null ? "" : `, wakes ${renderTime(run.wakeAt)}`;
  const undone = changeSets.filter((set) => set.undone).length;
  const taken = undone === 0 ? "" : `, ${undone} of ${changeSets.length} change sets undone`;
  const because = run.because === null ? "" : `: ${cleanLine(run.because, DETAIL_CHARS_MAX)}`;
  return `${came}${outcome}${wakes}${taken}${because}`;
}

function moreSteps({ run, steps, stepCount }: RunStory, paint: Paint): readonly string[] {
  const more = stepCount - steps.length;
  if (more <= 0) return [];
  return [paint.dim(`  and ${more} more: factotum steps ${run.id} --after ${steps.length}`)];
}

function renderAttempt(attempt: Attempt, paint: Paint): readonly string[] {
  const by = attempt.model === null ? "" : ` with ${cleanLine(attempt.model)}`;
  return [
    `${paint.bold(`attempt ${attempt.number}`)}  rung ${cleanLine(attempt.rung)}${by}: ${attempt.status}`,
    ...(attempt.because === null || repeats(attempt) ? [] : [`  ${cleanLine(attempt.because)}`]),
    ...renderVerdicts(attempt.verdicts, paint),
    ...attempt.refusals.map((refusal) => renderRefusal(refusal, paint)),
    ...renderChanges(attempt.diff, paint),
  ];
}

/** A reason that is nothing but the verdicts below it need not be read twice. */
function repeats({ because, verdicts }: Attempt): boolean {
  const said = verdicts.flatMap((one) => (one.kind === "pass" ? [] : [`${one.check}: ${one.because}`]));
  return said.length > 0 && said.join("\n") === because;
}

function questionLines(questions: readonly Question[], paint: Paint): readonly string[] {
  if (questions.length === 0) return [];
  return ["", paint.bold("questions"), ...questions.map(renderQuestion)];
}

function effectLines(effects: RunStory["effects"], paint: Paint): readonly string[] {
  if (effects.length === 0) return [];
  return ["", paint.bold("effects"), ...effects.map((effect) => renderEffectOfRun(effect, paint))];
}

function renderQuestion({ id, status, card, answer, by }: Question): string {
  const given = answer === null ? "" : `: ${cleanLine(answer.choice)} by ${cleanLine(by ?? "unknown")}`;
  const note = answer?.note === undefined ? "" : ` (${cleanLine(answer.note)})`;
  const open = status === "open" ? `, answer with: factotum answer ${id} CHOICE` : "";
  return `  ${id}  ${status}${given}${note}  ${cleanLine(card.because.join("; "), DETAIL_CHARS_MAX)}${open}`;
}
