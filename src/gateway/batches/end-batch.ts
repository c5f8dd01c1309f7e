import type { Database, Transaction } from "../../postgres/index.ts";
import type { Vault } from "../vault.ts";
import type { Files, FileWriter, Owner } from "./file-store.ts";
import { lineOf } from "./answer-line.ts";
import { openAnswer, openAsk } from "./line-seal.ts";

type Ending = Owner & {
  readonly batch: string;
  readonly ending: "completed" | "expired" | "cancelled";
  readonly outputSeconds: number;
};
type Line = {
  readonly line: number;
  readonly ask: Buffer;
  readonly answer: Buffer | null;
  readonly failed: boolean | null;
};

const PAGE_LINES = 200;
/** So long are calls under way waited for, as OpenAI does. */
const CANCELLING = "10 minutes";
const NEWLINE = Buffer.from("\n");
const UNMADE = {
  completed: {
    code: "batch_unreadable",
    message: "This request cannot be read: it was sealed by another secret.",
  },
  expired: {
    code: "batch_expired",
    message: "This request could not be executed before the completion window expired.",
  },
  cancelled: {
    code: "batch_cancelled",
    message: "This request was not executed, since the batch was cancelled.",
  },
} as const;

/** Marks batches as ending: those whose lines are all answered, that have expired, or are cancelled. */
export async function markEnding(db: Database): Promise<void> {
  await db.query(
    `update factotum.gateway_batches b set status = 'finalizing', finalizing_at = clock_timestamp(),
       ending = case when b.expires_at <= clock_timestamp() then 'expired' else 'completed' end
     where b.status = 'in_progress' and (b.expires_at <= clock_timestamp() or not exists (
       select from factotum.gateway_batch_lines l where l.batch = b.id and l.state <> 'done'))`,
  );
}

/**
 * Writes the files of a batch that ends, and forgets its lines: all in one transaction, so that a replica
 * killed over it leaves the batch to another. A cancelled one ends once no line is under way any more.
 *
 * @returns whether there was one
 */
export async function endBatch(db: Database, files: Files, vault: Vault): Promise<boolean> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<Ending>(
      `select b.id as batch, coalesce(b.ending, 'cancelled') as ending, b.output_seconds as "outputSeconds",
         k.id, k.tenant
       from factotum.gateway_batches b join factotum.gateway_keys k on k.id = b.key
       where b.status = 'finalizing' or (b.status = 'cancelling' and (
         b.cancelling_at < clock_timestamp() - interval '${CANCELLING}' or not exists (
           select from factotum.gateway_batch_lines l
           where l.batch = b.id and l.state = 'running' and l.lease_until > clock_timestamp())))
       order by b.made_at limit 1 for update of b skip locked`,
    );
    const ending = rows[0];
    if (ending === undefined) return false;
    const written = await writeFiles(tx, files, vault, ending);
    await tx.query("delete from factotum.gateway_batch_lines where batch = $1", [ending.batch]);
    await tx.query(
      `update factotum.gateway_batches set status = $2, ended_at = clock_timestamp(), completed = $3,
         failed = $4, output_file = $5, error_file = $6,
         finalizing_at = coalesce(finalizing_at, clock_timestamp()) where id = $1`,
      [ending.batch, ending.ending, written.completed, written.failed, written.output, written.error],
    );
    return true;
  });
}

async function writeFiles(tx: Transaction, files: Files, vault: Vault, ending: Ending) {
  const writers: { output?: FileWriter; error?: FileWriter } = {};
  const write = async (which: "output" | "error", text: Buffer): Promise<void> => {
    const name = `${ending.batch}_${which}.jsonl`;
    const writer = (writers[which] ??= await files.begin(ending, "batch_output", name, tx));
    await writer.write(text);
    await writer.write(NEWLINE);
  };
  let [completed, failed] = [0, 0];
  for await (const line of linesOf(tx, ending.batch)) {
    const answer = line.answer && openAnswer(vault, ending, line.line, line.answer);
    if (answer !== null && line.failed === false) completed += 1;
    else if (answer !== null || ending.ending !== "cancelled") failed += 1;
    if (answer === null) await write("error", unmade(vault, ending, line));
    else await write(line.failed === true ? "error" : "output", answer);
  }
  const end = async (writer: FileWriter | undefined): Promise<string | null> =>
    writer === undefined ? null : (await writer.end(ending.outputSeconds)).id;
  return { completed, failed, output: await end(writers.output), error: await end(writers.error) };
}

function unmade(vault: Vault, ending: Ending, { line, ask }: Line): Buffer {
  const customId = openAsk(vault, ending, line, ask)?.customId ?? null;
  return lineOf(ending.batch, line, customId, { error: UNMADE[ending.ending] });
}

async function* linesOf(tx: Transaction, batch: string): AsyncGenerator<Line> {
  for (let after = 0; ;) {
    const { rows } = await tx.query<Line>(
      `select line, ask, answer, failed from factotum.gateway_batch_lines
       where batch = $1 and line > $2 order by line limit ${PAGE_LINES}`,
      [batch, after],
    );
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.line;
  }
}
