import { InputError } from "../kernel/index.ts";
import { type Factotum, listTools, parseQuestionId, type Question, questionJson } from "../server/index.ts";
import { type Command, type Setting, withFactotum } from "./command.ts";
import { editCalls } from "./edit-calls.ts";
import { exitCodes } from "./exit-codes.ts";
import { type Calls, readCalls } from "./read-calls.ts";
import { renderCard, renderQuestionLine } from "./render-card.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTable } from "./render-table.ts";
import { skeleton } from "./skeleton.ts";
import { who } from "./who.ts";

const GOES_ON = "the run goes on where factotum run or factotum serve is running";

/** Lists the open questions in a pipe; asks them one after the other on a terminal. */
export function inboxCommand(as: string | undefined): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const questions = await factotum.inbox(as === undefined ? {} : { person: as });
      const { terminal } = setting;
      if (terminal.json) terminal.result({ questions: questions.map(questionJson) });
      else if (questions.length === 0) terminal.out("no question is open");
      else if (terminal.interactive) await askAll(factotum, questions, as ?? who(), setting);
      else terminal.out(renderTable(LISTING, questions.map(renderQuestionLine), terminal));
      return exitCodes.ok;
    });
}

const LISTING = ["question", "run", "title", "rows", "choices"].map((title) => ({ title }));

/** What `factotum answer` was given beside the choice. */
export type AnswerOptions = { readonly calls?: string; readonly note?: string; readonly as?: string };

/** Answers one question without a dialogue. */
export function answerCommand(question: string, choice: string, options: AnswerOptions): Command {
  return async (setting) => {
    const id = parseQuestionId(question);
    const calls = options.calls === undefined ? undefined : await readCalls(options.calls);
    return withFactotum(setting, async (factotum) => {
      const answered = await factotum.answer(id, {
        ...{ choice, by: options.as ?? who(), via: "cli" },
        ...(calls !== undefined && { calls }),
        ...(options.note !== undefined && { note: options.note }),
      });
      if (setting.terminal.json) setting.terminal.result(questionJson(answered));
      else setting.terminal.out(`question ${id} of run ${answered.runId} is answered: ${choice}`);
      setting.terminal.note(GOES_ON);
      return exitCodes.ok;
    });
  };
}

async function askAll(
  factotum: Factotum,
  questions: readonly Question[],
  by: string,
  setting: Setting,
): Promise<void> {
  const { terminal } = setting;
  let answered = 0;
  for (const [at, question] of questions.entries()) {
    if (setting.signal.aborted) break;
    const place = terminal.paint.dim(`${at + 1} of ${questions.length}`);
    terminal.out(`\n${place}\n${renderCard(question, terminal.paint)}\n`);
    const end = await askOne(factotum, question, by, setting);
    if (end === "stop") break;
    if (end === "answered") answered += 1;
  }
  terminal.out(`\n${answered} answered, ${questions.length - answered} left open`);
  if (answered > 0) terminal.note(GOES_ON);
}

type Asked = "answered" | "skipped" | "stop";

async function askOne(factotum: Factotum, question: Question, by: string, setting: Setting): Promise<Asked> {
  const { isCancel, select } = await import("@clack/prompts");
  const choice = await select({
    message: "What shall be done?",
    options: [
      ...question.card.choices.map((one) => ({ value: `choice:${one.id}`, label: cleanLine(one.label) })),
      { value: "skip", label: "Leave it open and go to the next" },
      { value: "stop", label: "Stop here" },
    ],
  });
  if (isCancel(choice) || choice === "stop") return "stop";
  if (choice === "skip") return "skipped";
  return giveAnswer(factotum, question, { choice: choice.slice("choice:".length), by }, setting);
}

async function giveAnswer(
  factotum: Factotum,
  question: Question,
  { choice, by }: { readonly choice: string; readonly by: string },
  { env, terminal }: Setting,
): Promise<Asked> {
  let calls: Calls | undefined;
  if (question.card.choices.find((one) => one.id === choice)?.wants === "calls") {
    const { calls: staged } = question.card;
    const start = staged.length > 0 ? staged : skeleton(await listTools(factotum, question.agent));
    calls = await editCalls(start, staged.length === 0, env, terminal);
    if (calls === undefined) return "skipped";
  }
  try {
    await factotum.answer(question.id, {
      ...{ choice, by, via: "cli" },
      ...(calls !== undefined && { calls }),
    });
    return "answered";
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    terminal.note(error.message);
    return "skipped";
  }
}
