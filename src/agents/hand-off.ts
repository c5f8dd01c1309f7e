import { ASK_TOOL } from "./asking.ts";
import { callLine, rowKind } from "./hand-off-lines.ts";
import { type Shortened, shortened } from "./hand-off-short.ts";
import { notedSays } from "./prompt.ts";
import { type Noted, OPENING, type Transcript } from "./transcript.ts";
import type { Staged } from "./workshop.ts";

/** What a hand-off note is made from: the attempt so far, and where its last part, kept as it is, begins. */
export type Folding = {
  readonly transcript: Transcript;
  /** Index of the first entry that is kept. */
  readonly from: number;
  readonly staged: Staged;
  /** What was asked for and whether it is done, where a check lists that. */
  readonly wishes: readonly { readonly what: string; readonly done: boolean }[];
  /** What a model wrote of the rest. */
  readonly noted?: Noted | undefined;
  /** Staged work in short, where there is too much of it to be told call by call. */
  readonly short?: boolean;
};

/** Looks at data that are named in a note, without what they found. */
const LOOKS_MAX = 40;
const LOOK_CHARS_MAX = 300;
const NOTED = "What was noted of the rest. Where it says otherwise than the facts above, those are right.";

/**
 * The note that stands for the folded part of an attempt. What an open commitment depends on is in it word
 * for word, by rule, of the whole transcript each time: what people said, what was said to them, questions
 * and their answers, the calls that staged something with what they answered, the rows, and what is still to
 * be done. What a model wrote comes after it, and can take nothing out of it. What was only looked at can be
 * looked at again; with `short`, so can what was staged, by the keys that are told.
 */
export function handOffNote({ transcript, from, staged, wishes, noted, short = false }: Folding): string {
  const folded = transcript.slice(OPENING, from);
  const open = wishes.flatMap(({ what, done }) => (done ? [] : [what]));
  const { calls, rows } = short ? shortened(staged, open) : wholly(staged);
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ["What people said, in order", folded.flatMap(words)],
    ["Questions that you asked, and the answers", questions(folded)],
    ["Calls that staged something, with their answers", calls],
    ["Rows that are staged", rows],
    ["What was asked for", wishes.map(({ what, done }) => `${done ? "done" : "STILL TO BE DONE"}: ${what}`)],
    ["What you looked at, to be looked at again where you need it", looks(folded, staged)],
  ];
  const told = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [`${title}:`, ...lines.map((line) => `- ${line}`)].join("\n"));
  const intro =
    "Hand-off note: the earlier part of this work was folded into these facts, so that it fits what you " +
    "can read. Everything staged is still staged; go on from here.";
  return [intro, ...told, ...(noted === undefined ? [] : [NOTED, notedSays(noted.text)])].join("\n\n");
}

function wholly({ calls, changeSet }: Staged): Shortened {
  return {
    calls: calls.map(callLine),
    rows: changeSet.rows.map((row) => `${rowKind(row)} ${row.table} ${row.key}`),
  };
}

/** What was said by whom; words beside a tool call are the model's to itself. */
function words(entry: Transcript[number]): readonly string[] {
  if (entry.kind === "compacted") return [];
  if (entry.kind !== "message") {
    const who = entry.kind === "nudged" ? `${entry.by}, whom you work for: ` : "the person: ";
    return [`${who}${entry.kind === "nudged" ? entry.text : quoted(entry.text)}`];
  }
  const { message } = entry;
  const alone = message.role === "assistant" && (message.toolCalls ?? []).length === 0;
  return alone && message.text !== "" ? [`you, to the person: ${message.text}`] : [];
}

/** What strangers said is data, also in a note of ours. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

function questions(folded: Transcript): readonly string[] {
  const answers = new Map<string, string>();
  for (const entry of folded) {
    if (entry.kind !== "message" || entry.message.role !== "tool" || entry.message.name !== ASK_TOOL)
      continue;
    answers.set(entry.message.toolCallId, JSON.stringify(entry.message.output));
  }
  return folded.flatMap((entry) =>
    entry.kind === "message" && entry.message.role === "assistant"
      ? (entry.message.toolCalls ?? [])
          .filter((call) => call.name === ASK_TOOL)
          .map((call) => `${JSON.stringify(call.input)}: ${answers.get(call.id) ?? "not answered yet"}`)
      : [],
  );
}

/** The newest looks, each once. */
function looks(folded: Transcript, staged: Staged): readonly string[] {
  const writing = new Set(staged.calls.map((call) => call.tool));
  const lines = folded.flatMap((entry) =>
    entry.kind === "message" && entry.message.role === "assistant"
      ? (entry.message.toolCalls ?? [])
          .filter((call) => call.name !== ASK_TOOL && !writing.has(call.name))
          .map((call) => `${call.name} ${JSON.stringify(call.input)}`.slice(0, LOOK_CHARS_MAX))
      : [],
  );
  return [...new Set(lines.toReversed())].slice(0, LOOKS_MAX).toReversed();
}
