import type { Database } from "../../postgres/index.ts";
import type { Random } from "../keys.ts";
import type { Vault } from "../vault.ts";
import type { Owner, Page } from "./file-store.ts";

/** Where the lines of a batch may go. */
export const ENDPOINTS: readonly string[] = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"];

/** How a batch stands, in OpenAI's words. */
type BatchStatus =
  | ("validating" | "failed" | "in_progress" | "finalizing")
  | ("completed" | "expired" | "cancelling" | "cancelled");

/** What is wrong with a line of the input, or with all of it: nothing of what stands there. */
export type BatchError = {
  readonly code: string;
  readonly message: string;
  readonly line: number | null;
  readonly param: string | null;
};

/** A batch as it stands. Times are seconds since 1970. */
export type BatchRecord = {
  readonly id: string;
  readonly endpoint: string;
  readonly inputFile: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly status: BatchStatus;
  readonly errors: readonly BatchError[] | null;
  readonly counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly outputFile: string | null;
  readonly errorFile: string | null;
  readonly madeAt: number;
  readonly expiresAt: number;
  readonly begunAt: number | null;
  readonly cancellingAt: number | null;
  readonly finalizingAt: number | null;
  readonly endedAt: number | null;
};

/** A batch as a client orders it. */
type BatchOrder = {
  readonly endpoint: string;
  readonly inputFile: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** After so long its files expire. */
  readonly outputSeconds: number;
};

/** Batches in Postgres. */
export type Batches = {
  make(owner: Owner, order: BatchOrder): Promise<BatchRecord>;
  /** How many of a key's are not over. */
  open(owner: Owner): Promise<number>;
  get(owner: Owner, id: string): Promise<BatchRecord | null>;
  list(owner: Owner, page: Page): Promise<readonly BatchRecord[]>;
  /** Ends it early; one that is over, or about to be, stays as it is. */
  cancel(owner: Owner, id: string): Promise<BatchRecord | null>;
  /** Deletes what has been over for long. */
  forget(): Promise<void>;
};

const ID_BYTES = 16;
const KEPT = "30 days";
const FORGET_MAX = 1_000;

const seconds = (column: string, name: string): string =>
  `floor(extract(epoch from b.${column}))::float8 as "${name}"`;
/** An open batch's counts are those of its lines. */
const COLUMNS = `b.id, b.endpoint, b.input_file as "inputFile", b.metadata, b.status, b.errors, b.total,
  b.completed + coalesce(open.completed, 0) as completed, b.failed + coalesce(open.failed, 0) as failed,
  b.output_file as "outputFile", b.error_file as "errorFile", ${[
    seconds("made_at", "madeAt"),
    seconds("expires_at", "expiresAt"),
    seconds("begun_at", "begunAt"),
    seconds("cancelling_at", "cancellingAt"),
    seconds("finalizing_at", "finalizingAt"),
    seconds("ended_at", "endedAt"),
  ].join(", ")}`;
const FROM = `factotum.gateway_batches b left join lateral (
  select count(*) filter (where not l.failed)::int as completed,
    count(*) filter (where l.failed)::int as failed
  from factotum.gateway_batch_lines l where l.batch = b.id and l.state = 'done') open on true`;

type Row = Omit<BatchRecord, "metadata" | "counts"> & {
  readonly metadata: Buffer | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
};

/** Makes the store. Writes factotum.gateway_batches. */
export function openBatches(db: Database, vault: Vault, random: Random): Batches {
  const recordOf = (owner: Owner, row: Row): BatchRecord => {
    const { total, completed, failed, metadata, ...rest } = row;
    const plain = metadata && vault.open(owner.tenant, metadata, metadataBound(row.id));
    const known = plain === null ? null : (JSON.parse(plain.toString("utf8")) as Record<string, string>);
    return { ...rest, metadata: known, counts: { total, completed, failed } };
  };
  const one = async (owner: Owner, id: string): Promise<BatchRecord | null> => {
    const { rows } = await db.query<Row>(`select ${COLUMNS} from ${FROM} where b.id = $1 and b.key = $2`, [
      ...[id, owner.id],
    ]);
    return rows[0] === undefined ? null : recordOf(owner, rows[0]);
  };
  return {
    async make(owner, { endpoint, inputFile, metadata, outputSeconds }) {
      const id = `batch_${random(ID_BYTES).toString("hex")}`;
      const sealed =
        metadata && vault.seal(owner.tenant, Buffer.from(JSON.stringify(metadata)), metadataBound(id));
      await db.query(
        `insert into factotum.gateway_batches (id, key, endpoint, input_file, metadata, output_seconds)
         values ($1, $2, $3, $4, $5, $6)`,
        [id, owner.id, endpoint, inputFile, sealed, outputSeconds],
      );
      const made = await one(owner, id);
      if (made === null) throw new RangeError(`${id} is gone as soon as it was made`);
      return made;
    },
    async open(owner) {
      const { rows } = await db.query<{ open: number }>(
        `select count(*)::int as open from factotum.gateway_batches
         where key = $1 and status in ('validating', 'in_progress', 'finalizing', 'cancelling')`,
        [owner.id],
      );
      return rows[0]?.open ?? 0;
    },
    get: one,
    async list(owner, { after, limit }) {
      const { rows } = await db.query<Row>(
        `select ${COLUMNS} from ${FROM}
         where b.key = $1 and ($2::text is null or (b.made_at, b.id) <
           (select a.made_at, a.id from factotum.gateway_batches a where a.id = $2 and a.key = $1))
         order by b.made_at desc, b.id desc limit $3`,
        [owner.id, after, limit],
      );
      return rows.map((row) => recordOf(owner, row));
    },
    async cancel(owner, id) {
      await db.query(
        `update factotum.gateway_batches set status = 'cancelling', cancelling_at = clock_timestamp()
         where id = $1 and key = $2 and status in ('validating', 'in_progress')`,
        [id, owner.id],
      );
      return one(owner, id);
    },
    async forget() {
      await db.query(
        `delete from factotum.gateway_batches where id in (
           select id from factotum.gateway_batches
           where ended_at < clock_timestamp() - $1::interval limit ${FORGET_MAX})`,
        [KEPT],
      );
    },
  };
}

const metadataBound = (id: string): Buffer => Buffer.from(`metadata ${id}`);

/** A batch as OpenAI's API tells of it. */
export function batchObject(batch: BatchRecord): object {
  const { status, errors, counts, endedAt } = batch;
  const endedAs = (word: BatchStatus): number | null => (status === word ? endedAt : null);
  return {
    ...{ id: batch.id, object: "batch", endpoint: batch.endpoint, input_file_id: batch.inputFile },
    errors: errors === null ? null : { object: "list", data: errors },
    ...{ completion_window: "24h", status, output_file_id: batch.outputFile, error_file_id: batch.errorFile },
    ...{ created_at: batch.madeAt, in_progress_at: batch.begunAt, expires_at: batch.expiresAt },
    ...{
      finalizing_at: batch.finalizingAt,
      completed_at: endedAs("completed"),
      failed_at: endedAs("failed"),
    },
    ...{
      expired_at: endedAs("expired"),
      cancelling_at: batch.cancellingAt,
      cancelled_at: endedAs("cancelled"),
    },
    ...{ request_counts: counts, metadata: batch.metadata },
  };
}
