/** The fenced blocks of a Markdown page, with what their info strings say. */
import { readFileSync } from "node:fs";

/** A block as a page holds it. ` ```sh exit=2 ` has the language `sh` and the option `exit` = `2`. */
export type Block = {
  /** File and line, for messages. */
  readonly where: string;
  readonly line: number;
  readonly language: string;
  /** Bare words of the info string have the value "". */
  readonly options: ReadonlyMap<string, string>;
  readonly text: string;
};

const KNOWN = new Set(["title", "exit", "background", "eventually", "unrun"]);

/** Reads the blocks of a page in order. @throws on a word in an info string that nobody knows */
export function readBlocks(path: string, name: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly line: number; readonly info: string; readonly lines: string[] } | undefined;
  for (const [at, line] of readFileSync(path, "utf8").split("\n").entries()) {
    const fence = /^ *```(.*)$/.exec(line);
    if (fence === null) open?.lines.push(line);
    else if (open === undefined) open = { line: at + 1, info: fence[1] ?? "", lines: [] };
    else {
      blocks.push(blockOf(name, open.line, open.info, open.lines.join("\n")));
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`${name}:${open.line}: this block has no end`);
  return blocks;
}

function blockOf(name: string, line: number, info: string, text: string): Block {
  const where = `${name}:${line}`;
  const [language = "", ...rest] = info.match(/\w+="[^"]*"|\S+/g) ?? [];
  const options = new Map(
    rest.map((word): [string, string] => {
      const [key = "", value = ""] = word.split(/=(.*)/s);
      if (!KNOWN.has(key)) throw new Error(`${where}: "${key}" in the info string is not known`);
      return [key, value.replaceAll('"', "")];
    }),
  );
  return { where, line, language, options, text };
}

/**
 * The first expected line that is not among the printed ones, in order; undefined where all are there.
 * Lines may stand between them, spaces count as one, and `…` stands for anything.
 */
export function missingLine(expected: string, ...printed: readonly string[]): string | undefined {
  const streams = printed.map((text) => text.split("\n").map(even));
  const cursors = streams.map(() => 0);
  for (const line of expected.split("\n").map(even).filter(Boolean)) {
    const pattern = new RegExp(`^${line.split("…").map(literal).join(".*")}$`);
    const found = streams.findIndex((lines, at) => {
      const index = lines.findIndex((one, place) => place >= (cursors[at] ?? 0) && pattern.test(one));
      if (index >= 0) cursors[at] = index + 1;
      return index >= 0;
    });
    if (found < 0) return line;
  }
  return undefined;
}

const even = (line: string): string => line.replaceAll(/\s+/g, " ").trim();
const literal = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
