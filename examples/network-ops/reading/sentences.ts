/** Lines cut into sentences; a long line that goes on in lower case is one with the next. */
import type { Line, Page } from "./page.ts";

export type Sentence = { readonly text: string; readonly line: Line; readonly first: boolean };

/** Sentences of the lines that `of` admits. */
export function sentencesOf(page: Page, of: (line: Line) => boolean): Sentence[] {
  const sentences: Sentence[] = [];
  const lines = page.lines.filter(of);
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    if (line === undefined) continue;
    let text = line.text;
    while (at + 1 < lines.length && goesOn(text, lines[at], lines[at + 1])) {
      at += 1;
      text += ` ${lines[at]?.text ?? ""}`;
    }
    text.split(/(?<=[.!?;])\s+(?=[A-Z("'])|\s\|\s/).forEach((part, index) => {
      const trimmed = part.replaceAll(/^[|\s]+|[|\s]+$/g, "");
      if (trimmed !== "") sentences.push({ text: trimmed, line, first: index === 0 });
    });
  }
  return sentences;
}

const WRAPPED_MIN = 40;

/** A long line without an end, and a next line in lower case: a mail client wrapped a sentence. */
function goesOn(text: string, line: Line | undefined, next: Line | undefined): boolean {
  if (line === undefined || next === undefined || line.tabular || next.tabular) return false;
  if (next.index !== line.index + 1 || next.part !== line.part || line.text.length < WRAPPED_MIN)
    return false;
  return text.length < PARAGRAPH_MAX && !/[.!?:;]$/.test(text) && /^[a-z(]/.test(next.text);
}

const PARAGRAPH_MAX = 3000;
