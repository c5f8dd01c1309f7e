/** Tables whose constraints change while a process that knows them is at work. */
import { beforeAll, expect, test } from "vitest";
import { messageOf, type RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { type About, attach, commit, emptyChangeSet, stage } from "./index.ts";

const about: About = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
const TABLES = ["public.parent", "public.child"];
let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query(`create table public.parent (id int primary key);
    create table public.child (id int primary key, parent int)`);
  await db.transaction((tx) => attach(tx, TABLES));
});

const stageOrphan = async () =>
  await stage(db, emptyChangeSet, { tables: TABLES }, (tx) =>
    tx.query("insert into public.child values (1, 7)"),
  );

test("a deferred constraint counts as soon as it is there, and no longer than it is", async () => {
  expect((await stageOrphan()).changes.rows).toHaveLength(1);
  await db.query(`alter table public.child add constraint late foreign key (parent)
    references public.parent deferrable initially deferred`);
  await expect(stageOrphan()).rejects.toMatchObject({ code: "constraint-violated" });
  await db.query("alter table public.child drop constraint late");
  expect((await stageOrphan()).changes.rows).toHaveLength(1);
});

test("a rule or a trigger that comes while a commit waits for the table is a conflict", async () => {
  await db.query("create table public.note (what text)");
  await db.query(`create function public.take_note() returns trigger language plpgsql as
    $$ begin insert into public.note values ('trigger'); return null; end $$`);
  const additions = [
    "create rule noted as on insert to public.parent do also insert into public.note values ('rule')",
    "create trigger noted after insert on public.parent for each row execute function public.take_note()",
  ];
  for (const addition of additions) {
    const { changes } = await stage(db, emptyChangeSet, { tables: TABLES }, (tx) =>
      tx.query("insert into public.parent values (5)"),
    );
    const owner = await db.session();
    await owner.query("begin");
    await owner.query(addition);
    const committed = db.transaction((tx) => commit(tx, changes, about)).catch(messageOf);
    await somebodyWaits();
    await owner.query("commit");
    await owner.release();
    expect(await committed).toContain("redefined while the change set was being committed");
    const { rows } = await db.query(
      "select id::text from public.parent union all select what from public.note",
    );
    expect(rows).toEqual([]);
    await db.query("drop rule if exists noted on public.parent");
  }
});

/** Until a statement waits for a lock on a table. */
async function somebodyWaits(): Promise<void> {
  for (;;) {
    const { rows } = await db.query("select from pg_locks where not granted and locktype = 'relation'");
    if (rows.length > 0) return;
  }
}
