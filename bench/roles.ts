/**
 * What it costs to stage as an agent's role, beside staging on our own connection, and the same SQL directly.
 *
 *   npm run --silent bench:roles -- [--json] [--slices 40]
 *
 * Starts an embedded Postgres of its own with default settings (fsync on) in a temporary folder. What is
 * compared is run in turn, slice by slice, so that a busy neighbour slows both; figures are medians.
 */
import { parseArgs } from "node:util";
import { attach, type ChangeSet, emptyChangeSet, ensureRole, stage } from "factotum/changes";
import { migrate, openDatabase, type Transaction } from "factotum/postgres";
import { benchFolder } from "./bench-folder.ts";

const { values: given } = parseArgs({
  options: { json: { type: "boolean", default: false }, slices: { type: "string", default: "40" } },
});
const slices = Number(given.slices);
const TABLES = ["public.account"];
const BASE_ROWS = 100;
const change = "update public.account set balance = balance + 1 where id = 1";

const directory = benchFolder();
const db = await openDatabase({ kind: "embedded", directory });
try {
  await migrate(db);
  await db.query("create table public.account (id integer primary key, balance bigint not null)");
  await db.query("insert into public.account select n, 0 from generate_series(1, 1000) n");
  await db.transaction((tx) => attach(tx, TABLES));
  await ensureRole(db, { name: "bench", tables: { "public.account": "write" } });
  const work = (tx: Transaction) => tx.query(change);
  const staged = (base: ChangeSet, as?: string) => () =>
    stage(db, base, { tables: TABLES, ...(as !== undefined && { as }) }, work);
  const hundred = `update public.account set balance = 5 where id between 500 and ${499 + BASE_ROWS}`;
  const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, (tx) => tx.query(hundred));
  const ways: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["plain", () => db.transaction(work)],
    ["own", staged(emptyChangeSet)],
    ["role", staged(emptyChangeSet, "bench")],
    ["ownOnBase", staged(changes)],
    ["roleOnBase", staged(changes, "bench")],
  ];
  const took = new Map<string, number[]>();
  // The first slices warm up.
  for (let slice = -5; slice < slices; slice += 1) {
    for (const [name, run] of ways) {
      const began = performance.now();
      await run();
      if (slice >= 0) took.set(name, [...(took.get(name) ?? []), performance.now() - began]);
    }
  }
  const middle = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  const ms = (name: string): number => Number(middle(took.get(name) ?? []).toFixed(2));
  const ratio = (over: string, under: string): number =>
    Number(middle((took.get(over) ?? []).map((one, at) => one / (took.get(under)?.[at] ?? NaN))).toFixed(2));
  const figures = {
    ms: Object.fromEntries(ways.map(([name]) => [name, ms(name)])),
    roleToOwn: ratio("role", "own"),
    roleToPlain: ratio("role", "plain"),
    ownToPlain: ratio("own", "plain"),
    roleToOwnOnBase: ratio("roleOnBase", "ownOnBase"),
  };
  if (given.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else {
    process.stdout.write(
      `staged call of one row, ms: plain ${ms("plain")}, own ${ms("own")}, as a role ${ms("role")}\n` +
        `as a role / own ${figures.roleToOwn}, / plain ${figures.roleToPlain}, ` +
        `own / plain ${figures.ownToPlain}\n` +
        `on ${BASE_ROWS} staged rows, as a role / own ${figures.roleToOwnOnBase}\n`,
    );
  }
} finally {
  await db.close();
}
