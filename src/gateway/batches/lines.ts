import type { TenantId } from "../../kernel/index.ts";
import type { Database } from "../../postgres/index.ts";
import type { KeyId } from "../keys.ts";

/** A line that this replica holds. */
export type TakenLine = {
  readonly batch: string;
  readonly line: number;
  readonly ask: Buffer;
  /** How often it was taken, this time included. */
  readonly tries: number;
  readonly endpoint: string;
  readonly key: KeyId;
  readonly tenant: TenantId;
};

/** The lines of open batches, as one replica takes them. */
export type Lines = {
  /** Takes lines that wait, and those whose replica is lost; the first of every batch first. */
  take(count: number): Promise<readonly TakenLine[]>;
  /** Writes what came of a line. @returns false where it is not held any more, and nothing is written */
  put(line: TakenLine, answer: Buffer, failed: boolean): Promise<boolean>;
  /** Gives a line back, to be taken again after a while. @param counts whether this was a try */
  giveBack(line: TakenLine, seconds: number, counts: boolean): Promise<void>;
  /** Holds on to what is held. */
  renew(): Promise<void>;
};

/** Makes them. Writes factotum.gateway_batch_lines. @param replica a name that no other replica ever had */
export function openLines(db: Database, replica: string, leaseMs: number): Lines {
  const held = "batch = $1 and line = $2 and replica = $3 and tries = $4 and state = 'running'";
  const place = ({ batch, line, tries }: TakenLine): readonly unknown[] => [batch, line, replica, tries];
  return {
    async take(count) {
      const { rows } = await db.query<TakenLine>(
        `with open as (
           select l.batch, l.line, b.endpoint, b.key, k.tenant
           from factotum.gateway_batch_lines l
           join factotum.gateway_batches b on b.id = l.batch
           join factotum.gateway_keys k on k.id = b.key
           where b.status = 'in_progress' and b.expires_at > clock_timestamp()
             and ((l.state = 'waiting' and l.not_before <= clock_timestamp())
               or (l.state = 'running' and l.lease_until < clock_timestamp()))
           order by l.line, l.batch limit $2 for update of l skip locked)
         update factotum.gateway_batch_lines l set state = 'running', replica = $1, tries = l.tries + 1,
           lease_until = clock_timestamp() + $3 * interval '1 millisecond'
         from open where l.batch = open.batch and l.line = open.line
         returning l.batch, l.line, l.ask, l.tries, open.endpoint, open.key, open.tenant`,
        [replica, count, leaseMs],
      );
      return rows;
    },
    async put(line, answer, failed) {
      const { rowCount } = await db.query(
        `update factotum.gateway_batch_lines set state = 'done', answer = $5, failed = $6 where ${held}`,
        [...place(line), answer, failed],
      );
      return rowCount > 0;
    },
    async giveBack(line, seconds, counts) {
      await db.query(
        `update factotum.gateway_batch_lines set state = 'waiting', tries = tries - $6,
           not_before = clock_timestamp() + $5 * interval '1 second' where ${held}`,
        [...place(line), seconds, counts ? 0 : 1],
      );
    },
    async renew() {
      await db.query(
        `update factotum.gateway_batch_lines
         set lease_until = clock_timestamp() + $2 * interval '1 millisecond'
         where replica = $1 and state = 'running'`,
        [replica, leaseMs],
      );
    },
  };
}
