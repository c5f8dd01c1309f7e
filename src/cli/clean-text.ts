import { stripVTControlCharacters } from "node:util";

/**
 * Control characters but newline and tab, and the invisible ones that turn text around: what a
 * stranger's notice could use to move the cursor, retitle the window or disguise a line.
 */
const UNSAFE = new RegExp(
  String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]`,
  "g",
);

/** Text from outside made safe to print on a terminal; its line breaks stay. */
export function cleanText(text: string): string {
  return stripVTControlCharacters(text.replaceAll("\r\n", "\n"))
    .replaceAll(UNSAFE, "")
    .replaceAll("\t", "  ");
}

/** The same on one line, line breaks shown as `\n`, and no longer than `charsMax`. */
export function cleanLine(text: string, charsMax = 500): string {
  const line = cleanText(text).replaceAll("\n", "\\n");
  return line.length > charsMax ? `${line.slice(0, charsMax - 1)}…` : line;
}
