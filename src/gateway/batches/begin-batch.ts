import type { Database, Transaction } from "../../postgres/index.ts";
import { namesOf, scanObject, valueOf } from "../scan.ts";
import type { Vault } from "../vault.ts";
import type { BatchError } from "./batch-store.ts";
import type { Files, FileRecord, Owner } from "./file-store.ts";
import { askText, sealAsk } from "./line-seal.ts";

/** As many lines as OpenAI takes. */
const LINES_MAX = 50_000;
const LINE_BYTES_MAX = 8 * 1024 * 1024;
const CUSTOM_ID_CHARS_MAX = 512;
const ERRORS_MAX = 100;
/** Lines are written so many at once, or so many bytes. */
const PAGE_LINES = 500;
const PAGE_BYTES = 1_048_576;
const FIELDS = namesOf("custom_id", "method", "url", "body");
const BODY_FIELDS = namesOf("stream");
const NEWLINE = 0x0a;

type Claimed = Owner & {
  readonly batch: string;
  readonly endpoint: string;
  readonly inputFile: string;
};

/**
 * Reads the input of the oldest batch that nobody has read yet into lines, or says what is wrong with it: all
 * in one transaction, so that a replica killed over it leaves the batch as it was.
 *
 * @returns whether there was one
 */
export async function beginBatch(db: Database, files: Files, vault: Vault): Promise<boolean> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<Claimed>(
      `select b.id as batch, b.endpoint, b.input_file as "inputFile", k.id, k.tenant
       from factotum.gateway_batches b join factotum.gateway_keys k on k.id = b.key
       where b.status = 'validating' order by b.made_at limit 1 for update of b skip locked`,
    );
    const claimed = rows[0];
    if (claimed === undefined) return false;
    const file = await files.get(claimed, claimed.inputFile);
    const read = file === null ? GONE : await readLines(tx, claimed, files, file, vault).catch(unreadable);
    if (read.errors.length === 0) {
      await tx.query(
        `update factotum.gateway_batches set status = 'in_progress', begun_at = clock_timestamp(), total = $2
         where id = $1`,
        [claimed.batch, read.lines],
      );
      return true;
    }
    await tx.query("delete from factotum.gateway_batch_lines where batch = $1", [claimed.batch]);
    await tx.query(
      `update factotum.gateway_batches set status = 'failed', ended_at = clock_timestamp(), errors = $2
       where id = $1`,
      [claimed.batch, JSON.stringify(read.errors)],
    );
    return true;
  });
}

type Read = { readonly lines: number; readonly errors: readonly BatchError[] };

/** A file that cannot be opened fails its own batch, and holds no other up. */
function unreadable(error: unknown): Read {
  if (!(error instanceof RangeError)) throw error;
  return { lines: 0, errors: [wrong("file_unreadable", "the input file cannot be opened any more", null)] };
}

async function readLines(
  tx: Transaction,
  claimed: Claimed,
  files: Files,
  file: FileRecord,
  vault: Vault,
): Promise<Read> {
  const errors: BatchError[] = [];
  const names = new Set<string>();
  let page: { readonly line: number; readonly ask: Buffer }[] = [];
  let [lines, bytes] = [0, 0];
  const flush = async (): Promise<void> => {
    await tx.query(
      `insert into factotum.gateway_batch_lines (batch, line, ask)
       select $1, * from unnest($2::int[], $3::bytea[])`,
      [claimed.batch, page.map(({ line }) => line), page.map(({ ask }) => ask)],
    );
    [page, bytes] = [[], 0];
  };
  for await (const { number, text } of linesOf(files.read(claimed, file, tx))) {
    const found = text === null ? tooLong(number) : parse(text, number, claimed.endpoint, names);
    if ("code" in found) errors.push(found);
    else {
      lines += 1;
      page.push({ line: number, ask: sealAsk(vault, claimed, number, found.ask) });
      bytes += found.ask.length;
    }
    if (lines > LINES_MAX)
      errors.push(wrong("too_many_requests", `a batch has ${LINES_MAX} lines at most`, null));
    if (errors.length >= ERRORS_MAX || lines > LINES_MAX) break;
    if (page.length >= PAGE_LINES || bytes >= PAGE_BYTES) await flush();
  }
  await flush();
  if (lines === 0 && errors.length === 0)
    errors.push(wrong("empty_file", "the input file has no lines", null));
  return { lines, errors };
}

/** The lines of a text that comes in pieces, numbered from 1; null for one that is too long to be kept. */
async function* linesOf(
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly number: number; readonly text: Buffer | null }> {
  let rest: Buffer[] = [];
  let [held, number] = [0, 0];
  const taken = (last: Buffer): Buffer | null => {
    const isLong = held + last.length > LINE_BYTES_MAX;
    const whole = isLong ? null : Buffer.concat([...rest, last]);
    [rest, held, number] = [[], 0, number + 1];
    return whole;
  };
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      const text = taken(piece.subarray(start, end));
      start = end + 1;
      if (text === null || !isBlank(text)) yield { number, text };
    }
    held += piece.length - start;
    // What is too long already is not kept; that it is, is.
    if (held <= LINE_BYTES_MAX) rest.push(piece.subarray(start));
  }
  const last = taken(Buffer.alloc(0));
  if (last === null || !isBlank(last)) yield { number, text: last };
}

const isBlank = (text: Buffer): boolean =>
  text.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);

function parse(
  text: Buffer,
  line: number,
  endpoint: string,
  names: Set<string>,
): { readonly ask: Buffer } | BatchError {
  const scan = scanObject(text, FIELDS);
  if (scan.kind === "refused")
    return wrong("invalid_json_line", `the line is no JSON object: ${scan.because}`, line);
  const value = (name: string): unknown => valueOf(text, scan.fields.get(name));
  const customId = value("custom_id");
  if (typeof customId !== "string" || customId === "" || customId.length > CUSTOM_ID_CHARS_MAX) {
    const message = `custom_id must be a text of 1 to ${CUSTOM_ID_CHARS_MAX} characters`;
    return wrong("missing_required_parameter", message, line, "custom_id");
  }
  if (names.has(customId))
    return wrong("duplicate_custom_id", "its custom_id came before", line, "custom_id");
  names.add(customId);
  if (value("method") !== "POST") return wrong("invalid_method", "method must be POST", line, "method");
  if (value("url") !== endpoint) {
    return wrong("invalid_url", `url must be the batch's endpoint, ${endpoint}`, line, "url");
  }
  const field = scan.fields.get("body");
  const body = field === undefined ? Buffer.alloc(0) : text.subarray(field.start, field.end);
  const inner = scanObject(body, BODY_FIELDS);
  if (inner.kind === "refused") return wrong("invalid_request", `body: ${inner.because}`, line, "body");
  if (valueOf(body, inner.fields.get("stream")) === true) {
    return wrong("invalid_request", "an answer in a batch cannot be a stream", line, "body.stream");
  }
  return { ask: askText(customId, body) };
}

function wrong(code: string, message: string, line: number | null, param: string | null = null): BatchError {
  return { code, message, line, param };
}

const GONE: Read = {
  lines: 0,
  errors: [wrong("file_not_found", "the input file is not there any more", null)],
};

function tooLong(line: number): BatchError {
  return wrong("line_too_long", `a line has ${LINE_BYTES_MAX} bytes at most`, line);
}
