import { createRequire } from "node:module";
import type * as Csv from "csv-parse/sync";
import { messageOf } from "../kernel/index.ts";
import { type Bill, type BillFormat, type BillLine, type BillSpan, refuseBill } from "./bill.ts";
import { type Fields, lineOf } from "./bill-fields.ts";
import { withoutGaps } from "./spans.ts";

const require = createRequire(import.meta.url);
/** The largest file of a bill. */
const BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reads what a provider exports: OpenAI's and Anthropic's usage and cost reports (one page, or pages one
 * after the other, in JSON), lines of JSON, or CSV with a header. Times without a zone are UTC, as they are
 * in all of these.
 *
 * @param name the file's, for messages
 * @throws {InputError} `bill-format` when nothing of it is known; `bill-empty`; `bill-too-large`; and those
 * of a line, which name it
 */
export function readBill(name: string, text: string): Bill {
  if (text.length > BYTES_MAX) {
    throw refuseBill("bill-too-large", `${name} is larger than ${BYTES_MAX} bytes: split it by month`);
  }
  const body = text.replace(/^\uFEFF/, "").trim();
  if (body === "") throw refuseBill("bill-empty", `${name} is empty`);
  const bill = body.startsWith("{") || body.startsWith("[") ? fromJson(name, body) : fromCsv(name, body);
  const told = bill.lines.filter((line) => line.amount !== null || Object.keys(line.tokens).length > 0);
  if (bill.lines.length > 0 && told.length === 0) {
    throw refuseBill("bill-format", `${name} has neither tokens nor amounts in a field that is known`);
  }
  return { ...bill, lines: told };
}

type Bucket = { readonly span: BillSpan; readonly results: readonly Fields[] };

function fromJson(name: string, body: string): Bill {
  const pages = parsePages(name, body);
  const buckets = pages.flatMap((page) => bucketsOf(page, name));
  if (buckets.length === 0) {
    const records = pages.flatMap((page) => recordsOf(page));
    const lines = records.map((record, at) => lineOf(lowered(record), `${name}:${at + 1}`));
    return { name, format: "json-lines", lines, covers: covering(lines) };
  }
  const format = formatOf(buckets);
  let count = 0;
  const lines = buckets.flatMap(({ span, results }) =>
    results.map((result): BillLine => {
      count += 1;
      return lineOf(spelled(format, result), `${name}:${count}`, span);
    }),
  );
  return { name, format, lines, covers: buckets.map(({ span }) => span) };
}

/** One JSON value, or one on each line. */
function parsePages(name: string, body: string): readonly unknown[] {
  try {
    const whole: unknown = JSON.parse(body);
    return Array.isArray(whole) ? whole : [whole];
  } catch (error) {
    const lines = body.split("\n").filter((line) => line.trim() !== "");
    return lines.map((line, at): unknown => {
      try {
        return JSON.parse(line);
      } catch {
        throw refuseBill("bill-format", `${name}:${at + 1} is not JSON: ${String(error)}`);
      }
    });
  }
}

function bucketsOf(page: unknown, name: string): Bucket[] {
  const data = fieldsOf(page)["data"];
  if (!Array.isArray(data)) return [];
  return data.flatMap((one: unknown): Bucket[] => {
    const { results, start_time, end_time, starting_at, ending_at } = fieldsOf(one);
    if (!Array.isArray(results)) return [];
    const span = lineOf(
      { start_time: start_time ?? starting_at, end_time: end_time ?? ending_at },
      name,
    ).span;
    if (span === null) throw refuseBill("bill-time", `${name} has a bucket without a time`);
    return [{ span, results: results.map(fieldsOf) }];
  });
}

function recordsOf(page: unknown): Fields[] {
  const data = fieldsOf(page)["data"];
  return Array.isArray(data) ? data.map(fieldsOf) : [fieldsOf(page)];
}

function formatOf(buckets: readonly Bucket[]): BillFormat {
  const result = buckets.flatMap(({ results }) => results)[0] ?? {};
  const object = typeof result["object"] === "string" ? result["object"] : "";
  if (object.startsWith("organization.costs")) return "openai-costs";
  if (object.startsWith("organization.usage")) return "openai-usage";
  return "amount" in result ? "anthropic-costs" : "anthropic-usage";
}

/** Anthropic nests cache writes, and states costs in cents. */
function spelled(format: BillFormat, result: Fields): Fields {
  if (format === "anthropic-costs") {
    const { amount, ...others } = result;
    return { ...others, amount_cents: amount };
  }
  if (format !== "anthropic-usage") return result;
  const { cache_creation, ...others } = result;
  const writes = fieldsOf(cache_creation);
  return {
    ...others,
    usage_input_tokens_cache_write_5m: writes["ephemeral_5m_input_tokens"],
    usage_input_tokens_cache_write_1h: writes["ephemeral_1h_input_tokens"],
  };
}

function fromCsv(name: string, body: string): Bill {
  let rows: Record<string, string>[];
  try {
    const { parse } = require("csv-parse/sync") as typeof Csv;
    rows = parse(body, {
      ...{ bom: true, trim: true, skip_empty_lines: true, relax_column_count: false },
      columns: (header: string[]) => header.map((one) => one.toLowerCase().replaceAll(/[\s-]+/g, "_")),
    });
  } catch (error) {
    throw refuseBill("bill-format", `${name} is not CSV: ${messageOf(error)}`);
  }
  if (rows.length === 0) throw refuseBill("bill-empty", `${name} has a header and no rows`);
  // The header is line 1.
  const lines = rows.map((row, at) => lineOf(row, `${name}:${at + 2}`));
  return { name, format: "csv", lines, covers: covering(lines) };
}

/** Sums cover their days and those between them; single requests all from the first to the last. */
function covering(lines: readonly BillLine[]): readonly BillSpan[] {
  const spans = lines.flatMap(({ span }) => (span === null ? [] : [span]));
  if (lines.every(({ id }) => id === null)) return withoutGaps(spans);
  const [first] = spans;
  if (first === undefined) return [];
  const from = spans.reduce((least, span) => (span.from < least ? span.from : least), first.from);
  const to = spans.reduce((most, span) => (span.to > most ? span.to : most), first.to);
  return [{ from, to }];
}

function lowered(record: Fields): Fields {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name.toLowerCase(), value]));
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}
