import type { TenantId } from "../../kernel/index.ts";
import type { Database, Transaction } from "../../postgres/index.ts";
import type { KeyId, Random } from "../keys.ts";
import type { Vault } from "../vault.ts";

/** Whose a file or a batch is: the key that brought it in, and the tenant whose key seals it. */
export type Owner = { readonly id: KeyId; readonly tenant: TenantId };

/** What a file is for: what is asked in a batch, or what came of one. */
type Purpose = "batch" | "batch_output";

/** A file without what it holds. */
export type FileRecord = {
  readonly id: string;
  readonly purpose: Purpose;
  readonly name: string;
  readonly bytes: number;
  /** Seconds since 1970, as `expiresAt` is. */
  readonly madeAt: number;
  readonly expiresAt: number;
};

/** A page of a list. */
export type Page = { readonly after: string | null; readonly limit: number; readonly ascending: boolean };

/** What a file is written with, piece by piece. */
export type FileWriter = {
  readonly id: string;
  write(piece: Buffer): Promise<void>;
  /** Makes it a file that can be read. @param seconds after which it expires, from when it was begun */
  end(seconds: number): Promise<FileRecord>;
  discard(): Promise<void>;
};

/** Files, sealed in Postgres. */
export type Files = {
  /** How many bytes more a key may bring in; below 0 where its answers went over. */
  room(owner: Owner): Promise<number>;
  /** @param tx writes as part of a transaction; each piece for itself without one */
  begin(owner: Owner, purpose: Purpose, name: string, tx?: Querier): Promise<FileWriter>;
  get(owner: Owner, id: string): Promise<FileRecord | null>;
  list(owner: Owner, page: Page & { readonly purpose: string | null }): Promise<readonly FileRecord[]>;
  remove(owner: Owner, id: string): Promise<boolean>;
  /** What it holds, in pieces. @throws {RangeError} where a piece is gone or was sealed by another secret */
  read(owner: Owner, file: FileRecord, tx?: Querier): AsyncIterable<Buffer>;
  /** Deletes what has expired, and what was never brought in to its end. */
  forget(): Promise<void>;
};

/** Whatever can be asked: the database, or a transaction. */
type Querier = Pick<Transaction, "query">;

const PART_BYTES = 262_144;
/** All files of a key together; what came of its batches counts too. */
const KEY_BYTES_MAX = 4 * 1024 ** 3;
const ID_BYTES = 16;
/** For a file that is still being brought in. */
const UNREADY = "1 hour";
const FORGET_MAX = 1_000;
const NAME_CHARS_MAX = 255;

type Row = Omit<FileRecord, "name" | "bytes"> & { readonly name: Buffer; readonly bytes: string };
const COLUMNS = `id, purpose, name, bytes, floor(extract(epoch from made_at))::float8 as "madeAt",
  floor(extract(epoch from expires_at))::float8 as "expiresAt"`;

/** Makes the store. Writes factotum.gateway_files and factotum.gateway_file_parts. */
export function openFiles(db: Database, vault: Vault, random: Random): Files {
  const recordOf = (owner: Owner, row: Row): FileRecord => {
    const name = vault.open(owner.tenant, row.name, nameBound(row.id))?.toString("utf8");
    return { ...row, name: name ?? "sealed by another secret", bytes: Number(row.bytes) };
  };
  return {
    async room(owner) {
      const { rows } = await db.query<{ bytes: string }>(
        "select coalesce(sum(bytes), 0) as bytes from factotum.gateway_files where key = $1",
        [owner.id],
      );
      return KEY_BYTES_MAX - Number(rows[0]?.bytes ?? 0);
    },
    async begin(owner, purpose, name, tx = db) {
      const id = `file-${random(ID_BYTES).toString("hex")}`;
      const sealed = vault.seal(owner.tenant, Buffer.from(name.slice(0, NAME_CHARS_MAX)), nameBound(id));
      await tx.query(
        `insert into factotum.gateway_files (id, key, purpose, name, expires_at)
         values ($1, $2, $3, $4, clock_timestamp() + $5::interval)`,
        [id, owner.id, purpose, sealed, UNREADY],
      );
      return writerOf(
        tx,
        id,
        (part, piece) => vault.seal(owner.tenant, piece, partBound(id, part)),
        (row) => recordOf(owner, row),
      );
    },
    async get(owner, id) {
      const { rows } = await db.query<Row>(
        `select ${COLUMNS} from factotum.gateway_files
         where id = $1 and key = $2 and ready and expires_at > clock_timestamp()`,
        [id, owner.id],
      );
      return rows[0] === undefined ? null : recordOf(owner, rows[0]);
    },
    async list(owner, { after, limit, ascending, purpose }) {
      const [order, beyond] = ascending ? ["asc", ">"] : ["desc", "<"];
      const { rows } = await db.query<Row>(
        `select ${COLUMNS} from factotum.gateway_files f
         where key = $1 and ready and expires_at > clock_timestamp() and ($2::text is null or purpose = $2)
           and ($3::text is null or (f.made_at, f.id) ${beyond}
             (select a.made_at, a.id from factotum.gateway_files a where a.id = $3 and a.key = $1))
         order by f.made_at ${order}, f.id ${order} limit $4`,
        [owner.id, purpose, after, limit],
      );
      return rows.map((row) => recordOf(owner, row));
    },
    async remove(owner, id) {
      const { rowCount } = await db.query(
        "delete from factotum.gateway_files where id = $1 and key = $2 and ready",
        [id, owner.id],
      );
      return rowCount > 0;
    },
    read: (owner, file, tx = db) => readParts(tx, vault, owner, file),
    async forget() {
      await db.query(
        `delete from factotum.gateway_files where id in (
           select id from factotum.gateway_files where expires_at < clock_timestamp() limit ${FORGET_MAX})`,
      );
    },
  };
}

async function* readParts(
  tx: Querier,
  vault: Vault,
  { tenant }: Owner,
  { id, bytes }: FileRecord,
): AsyncGenerator<Buffer> {
  let left = bytes;
  for (let part = 0; left > 0; part += 1) {
    const { rows } = await tx.query<{ sealed: Buffer }>(
      "select sealed from factotum.gateway_file_parts where file = $1 and part = $2",
      [id, part],
    );
    const sealed = rows[0]?.sealed;
    const piece = sealed && vault.open(tenant, sealed, partBound(id, part));
    if (piece === undefined || piece === null) throw new RangeError(`part ${part} of ${id} is not there`);
    left -= piece.length;
    yield piece;
  }
}

function writerOf(
  tx: Querier,
  id: string,
  seal: (part: number, piece: Buffer) => Buffer,
  recordOf: (row: Row) => FileRecord,
): FileWriter {
  let waiting: Buffer[] = [];
  let [held, bytes, parts] = [0, 0, 0];
  const flush = async (): Promise<void> => {
    const piece = Buffer.concat(waiting);
    [waiting, held] = [[], 0];
    await tx.query("insert into factotum.gateway_file_parts (file, part, sealed) values ($1, $2, $3)", [
      ...[id, parts, seal(parts, piece)],
    ]);
    parts += 1;
  };
  return {
    id,
    async write(piece) {
      waiting.push(piece);
      held += piece.length;
      bytes += piece.length;
      if (held >= PART_BYTES) await flush();
    },
    async end(seconds) {
      if (held > 0) await flush();
      const { rows } = await tx.query<Row>(
        `update factotum.gateway_files set ready = true, bytes = $2,
           expires_at = made_at + $3 * interval '1 second' where id = $1 returning ${COLUMNS}`,
        [id, bytes, seconds],
      );
      if (rows[0] === undefined) throw new RangeError(`${id} took so long that it was thrown away`);
      return recordOf(rows[0]);
    },
    async discard() {
      await tx.query("delete from factotum.gateway_files where id = $1", [id]);
    },
  };
}

const nameBound = (id: string): Buffer => Buffer.from(`name ${id}`);
const partBound = (id: string, part: number): Buffer => Buffer.from(`part ${part} ${id}`);
