import { formatUsd, type Json, type JsonObject, microUsd } from "../kernel/index.ts";
import type { Step } from "../server/index.ts";
import { cleanLine, cleanText } from "./clean-text.ts";
import { renderTime } from "./render-time.ts";
import type { Paint } from "./terminal.ts";

const DETAIL_CHARS_MAX = 240;

/** A step on one line, its data cut where they are long. */
export function renderStep(step: Step, paint: Paint): string {
  return `${headOf(step, paint)}  ${lineOf(step)}`.trimEnd();
}

/** A step with all that it holds. */
export function renderWholeStep(step: Step, paint: Paint): string {
  const { data } = step;
  const parts =
    typeof data === "object" && data !== null && !Array.isArray(data)
      ? Object.entries(data as JsonObject).map(([name, value]) => `${name}: ${text(value)}`)
      : [text(data)];
  const lines = parts.flatMap((part) => cleanText(part).split("\n")).map((one) => `      ${one}`.trimEnd());
  return [`${paint.dim(String(step.seq).padStart(4))}${headOf(step, paint)}`, ...lines].join("\n");
}

function headOf({ at, kind, attempt }: Step, paint: Paint): string {
  const tried = attempt === null || attempt === 0 ? "" : ` [attempt ${attempt}]`;
  const color = STEP_COLORS[kind]?.(paint) ?? paint.cyan;
  return `  ${paint.dim(renderTime(at))}  ${color(cleanLine(kind))}${tried}`;
}

const STEP_COLORS: Readonly<Record<string, (paint: Paint) => (text: string) => string>> = {
  committed: (paint) => paint.green,
  asked: (paint) => paint.yellow,
  failure: (paint) => paint.red,
  conflict: (paint) => paint.red,
};

function lineOf({ kind, data }: Step): string {
  return kind === "compacted" ? cleanLine(foldLine(data as JsonObject), DETAIL_CHARS_MAX) : detail(data);
}

/** A hand-off note by its figures and what a model wrote: the whole of it is long. */
function foldLine({ by, because, tokensBefore, tokensAfter, costMicroUsd, noted }: JsonObject): string {
  const wrote = (noted ?? null) as { readonly by: string; readonly text: string } | null;
  const who = by === "model" && wrote !== null ? wrote.by : "rule";
  const cost = typeof costMicroUsd === "string" ? `, ${formatUsd(microUsd(BigInt(costMicroUsd)))}` : "";
  const why = typeof because === "string" ? ` (${because})` : "";
  const said = wrote === null ? "" : `: ${wrote.text}`;
  const tokens = `${text(tokensBefore ?? null)} to ${text(tokensAfter ?? null)} tokens`;
  return `${tokens}, noted by ${who}${cost}${why}${said}`;
}

/** What a step holds, in words where its shape is known, as JSON where it is not. */
function detail(data: Json): string {
  if (typeof data !== "object" || data === null || Array.isArray(data))
    return cleanLine(JSON.stringify(data));
  const step = data as JsonObject;
  const words = Object.entries(step).flatMap(([name, value]) => word(name, value));
  return cleanLine(words.join(", "), DETAIL_CHARS_MAX);
}

function word(name: string, value: Json): readonly string[] {
  if (value === null || value === "" || (Array.isArray(value) && value.length === 0)) return [];
  if (name === "because") return [Array.isArray(value) ? value.map(text).join("; ") : text(value)];
  if (name === "rows") return [value === 1 ? "1 row" : `${text(value)} rows`];
  return [`${name} ${text(value)}`];
}

const text = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value));
