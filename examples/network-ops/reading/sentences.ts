/** Lines cut into sentences, each with where it stands; wrapped lines of one paragraph are not rejoined. */
import type { Line, Page } from "./page.ts";

export type Sentence = { readonly text: string; readonly line: Line; readonly first: boolean };

/** Sentences of the lines that `of` admits. */
export function sentencesOf(page: Page, of: (line: Line) => boolean): Sentence[] {
  const sentences: Sentence[] = [];
  for (const line of page.lines) {
    if (!of(line)) continue;
    line.text
      .split(/(?<=[.!?;])\s+(?=[A-Z("'])|\s\|\s/)
      .forEach((text, at) => {
        const trimmed = text.trim();
        if (trimmed !== "") sentences.push({ text: trimmed, line, first: at === 0 });
      });
  }
  return sentences;
}
