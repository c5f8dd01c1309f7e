/** Tables whose constraints change while a process that knows them is at work. */
import { beforeAll, expect, test } from "vitest";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { attach, emptyChangeSet, stage } from "./index.ts";

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
