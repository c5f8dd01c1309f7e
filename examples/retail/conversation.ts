/** A conversation as checks look at it: who said what, and what was called when. */
import type { CheckContext, Turn } from "factotum/policy";

/** What the desk's agents work on. */
export type Conversation = { readonly dialect: 1 | 2 };

/** What a check of a desk is given. */
export type DeskContext = CheckContext<Conversation>;

/** The check that looks for what was left out, in either business. */
export const NOTHING_MISSING = "everything asked for is done";

/** Turns of a conversation, in order. */
export type Turns = readonly Turn[];

/** A call that staged something. */
export type Write = {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** Its place among the turns. */
  readonly at: number;
};

/**
 * Text as words are looked for in it: lower case, one space between words, without the marks that lists,
 * thousands and typography add.
 */
export function plain(text: string): string {
  return text
    .replaceAll(/\\[nt"]/g, " ")
    .replaceAll(/\\(?=[_.#-])/g, "")
    .replaceAll(/[\u2010-\u2015\u2212]/g, "-")
    .replaceAll(/[\u2018\u2019]/g, "'")
    .replaceAll(/[*`,]/g, "")
    .replaceAll(/\s+/g, " ")
    .toLowerCase();
}

/** All that one side said, as `plain` text. */
export function wordsOf(turns: Turns, who: "person" | "agent"): string {
  return turns.flatMap((turn) => (turn.kind === who ? [plain(turn.text)] : [])).join("\n");
}

/** All that the customer said. */
export function customerWords(context: Pick<DeskContext, "turns">): string {
  return wordsOf(context.turns, "person");
}

/** The calls of these tools that staged something, in order. */
export function writesAmong(turns: Turns, tools: ReadonlySet<string>): readonly Write[] {
  return turns.flatMap((turn, at) =>
    turn.kind === "call" && !turn.refused && tools.has(turn.tool)
      ? [{ tool: turn.tool, input: turn.input as Write["input"], at }]
      : [],
  );
}

/** What the customer said last before a turn. */
export function answerBefore(turns: Turns, at: number): string {
  const last = turns.slice(0, at).findLast((turn) => turn.kind === "person");
  return last === undefined || last.kind === "call" ? "" : plain(last.text);
}

/** What both sides said in the last so many messages before a turn: what a yes can be about. */
export function talkBefore(turns: Turns, at: number, messages = Number.POSITIVE_INFINITY): string {
  const said = turns.slice(0, at).flatMap((turn) => (turn.kind === "call" ? [] : [plain(turn.text)]));
  return said.slice(-messages).join("\n");
}
