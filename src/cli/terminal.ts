import picocolors from "picocolors";
import { cleanText } from "./clean-text.ts";

/** Wraps text in a colour, or leaves it as it is. */
export type Paint = ReturnType<typeof picocolors.createColors>;

/** Where a command writes: results on stdout, everything else on stderr. */
export type Terminal = {
  /** Results are one JSON object instead of text. */
  readonly json: boolean;
  /** Both ends are a person's: prompts may be shown. */
  readonly interactive: boolean;
  /** Progress is drawn rather than logged. */
  readonly drawn: boolean;
  /** Tables are drawn rather than aligned. */
  readonly framed: boolean;
  readonly columns: number;
  readonly paint: Paint;
  /** A result, newline added. */
  readonly out: (text: string) => void;
  /** What a person may want to know meanwhile; never a result. */
  readonly note: (text: string) => void;
  /** The one object of `--json`. */
  readonly result: (value: unknown) => void;
};

type Stream = NodeJS.WriteStream;

/** What decides how output looks. */
export type Look = { readonly json: boolean; readonly color: boolean | undefined };

const COLUMNS_DEFAULT = 100;

/** Makes a terminal of the process' streams. Without the option, `NO_COLOR` and `FORCE_COLOR` count. */
export function makeTerminal(
  streams: { readonly stdin: NodeJS.ReadStream; readonly stdout: Stream; readonly stderr: Stream },
  env: { readonly [name: string]: string | undefined },
  look: Look,
): Terminal {
  const { stdin, stdout, stderr } = streams;
  const capable = env["TERM"] !== "dumb";
  const wanted =
    look.color ?? (isSet(env["NO_COLOR"]) ? false : isSet(env["FORCE_COLOR"]) ? true : undefined);
  const colored = (wanted ?? (stdout.isTTY && capable)) && !look.json;
  const drawn = stderr.isTTY && capable;
  // A note may come while a bar is drawn: it takes the bar's line, and the bar is drawn again below it.
  const cleared = drawn ? "\r\u001b[K" : "";
  const out = (text: string): void => void stdout.write(`${text}\n`);
  return {
    json: look.json,
    interactive: stdin.isTTY && stdout.isTTY && capable && !look.json,
    drawn,
    framed: stdout.isTTY && capable && !look.json,
    columns: stdout.columns > 0 ? stdout.columns : COLUMNS_DEFAULT,
    paint: picocolors.createColors(colored),
    out,
    note: (text) => void stderr.write(`${cleared}${cleanText(text)}\n`),
    result: (value) => out(JSON.stringify(value, null, 2)),
  };
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== "" && value !== "0";
