import { InvariantError } from "../kernel/index.ts";

/**
 * One row that differs. Images are record text, as `row::text` gives it under pinned settings: nothing is
 * lost in it, unlike in JSON (float −0, array bounds, numeric scale, `json` order).
 */
export type RowChange = {
  /** `schema.table`; of a partitioned table, the partition the row is in. */
  readonly table: string;
  /** The primary key as record text: `(42)`. */
  readonly key: string;
  /** The row before; null where it is inserted. */
  readonly before: string | null;
  /** The row after; null where it is deleted. */
  readonly after: string | null;
  /** Of the columns when the images were taken; another one makes the images unreadable, a conflict. */
  readonly fingerprint: string;
};

/** A parameter of a relied-on query: plain data, since it is kept until the commit asks again. */
export type RelyParameter = string | number | boolean | null | readonly (string | number | boolean | null)[];

/** A query that staged work relied on, and what it gave. */
export type ReliedRead = {
  readonly sql: string;
  readonly params: readonly RelyParameter[];
  /** Of columns and rows as Postgres text; rows count, their order does not. */
  readonly digest: string;
  /** The attempt's own changes that the query saw; the commit asks on top of the same ones. */
  readonly under: readonly RowChange[];
  /** Whether those who are no commits of ours must not change the answer either, between check and commit. */
  readonly firm?: true;
  /** As whom it was asked, where that was an agent's role: row conditions and policies held for it. */
  readonly as?: Reader;
};

/** The tenant it worked for; and of an agent, the role it had and the schemas it searched. */
type Reader = { readonly tenant?: string; readonly role?: string; readonly path?: string };

/** What staged work would change, one entry a row, sorted by table and key. Plain data: it may be stored. */
export type ChangeSet = {
  readonly rows: readonly RowChange[];
  /** Queries whose results must still be the same at the commit; see `rely`. */
  readonly relies?: readonly ReliedRead[];
};

/** A change set that changes nothing. */
export const emptyChangeSet: ChangeSet = { rows: [] };

/** One row-level event as the trigger saw it, under the key of the image on that side. */
export type RowEvent = RowChange;

/** A change set of rows in whatever order they come. */
export function changeSetOf(rows: readonly RowChange[], relies: readonly ReliedRead[] = []): ChangeSet {
  return withRelies({ rows: [...rows].sort(byTableAndKey) }, relies);
}

/**
 * The net change of a base and the events on top of it. Events may arrive in any order, because a user's
 * trigger that updates sibling rows makes capture order lie: per key, the images that were only left and
 * those that were only entered are what remains.
 */
export function netChange(base: ChangeSet, events: readonly RowEvent[]): ChangeSet {
  if (events.length === 0) return base;
  // A long attempt's rows that were not touched now stay as they are: most of them, at most steps.
  const fresh = new Set(events.map(identify));
  const isTouched = (row: RowChange): boolean => fresh.has(identify(row));
  const untouched = base.rows.filter((row) => !isTouched(row));
  const groups = Map.groupBy([...base.rows.filter(isTouched), ...events], identify);
  return { ...base, rows: [...untouched, ...[...groups.values()].flatMap(netRow)].sort(byTableAndKey) };
}

/** A change set that relies on reads, too; without any it stays as plain as it was. */
export function withRelies(set: ChangeSet, relies: readonly ReliedRead[]): ChangeSet {
  return relies.length === 0 ? set : { ...set, relies };
}

/** The change set that takes this one back. */
export function inverse(set: ChangeSet): ChangeSet {
  return { rows: set.rows.map((row) => ({ ...row, before: row.after, after: row.before })) };
}

/** Rows of a set by table, tables and rows in the order in which every commit takes them. */
export function byTable(set: ChangeSet): ReadonlyMap<string, readonly RowChange[]> {
  return Map.groupBy([...set.rows].sort(byTableAndKey), (row) => row.table);
}

const identify = (row: RowChange): string => `${row.table} ${row.key}`;

function netRow(events: readonly RowEvent[]): RowChange[] {
  const count = new Map<string, number>();
  const add = (image: string | null, by: number): void => {
    if (image !== null) count.set(image, (count.get(image) ?? 0) + by);
  };
  for (const event of events) {
    add(event.before, 1);
    add(event.after, -1);
  }
  const left = [...count].filter(([, times]) => times !== 0);
  const befores = left.filter(([, times]) => times > 0);
  const afters = left.filter(([, times]) => times < 0);
  const last = events.at(-1);
  if (last === undefined || left.length === 0) return [];
  if (befores.length > 1 || afters.length > 1 || left.some(([, times]) => Math.abs(times) !== 1)) {
    throw new InvariantError(`the captured images of ${last.table} ${last.key} do not add up to one change`);
  }
  return [{ ...last, before: befores[0]?.[0] ?? null, after: afters[0]?.[0] ?? null }];
}

function byTableAndKey(a: RowChange, b: RowChange): number {
  if (a.table !== b.table) return a.table < b.table ? -1 : 1;
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return 0;
}
