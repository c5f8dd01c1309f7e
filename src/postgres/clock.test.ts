import { expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { type Database, databaseClock, resetClock, setClock } from "./index.ts";

const now = async (db: Database): Promise<Date | undefined> =>
  (await db.query<{ at: Date }>("select factotum.now() as at")).rows[0]?.at;

test("the business clock is real until set, stands at rate 0, and runs on from where it was", async () => {
  const db = await throwawayDatabase();
  const real = await db.query<{ same: boolean }>("select factotum.now() = now() as same");
  expect(real.rows).toEqual([{ same: true }]);

  const at = new Date("2026-03-29T01:59:59.999Z");
  await setClock(db, { at, rate: 0 });
  expect(await now(db)).toEqual(at);
  expect((await databaseClock(db)).now()).toEqual(at);

  await setClock(db, { rate: 1_000_000 });
  const [one, two] = [await now(db), await now(db)];
  expect(Number(two)).toBeGreaterThan(Number(one));
  expect(Number(one)).toBeGreaterThanOrEqual(at.getTime());
  expect((await databaseClock(db)).now().getTime()).toBeGreaterThanOrEqual(Number(two));

  await resetClock(db);
  expect((await db.query("select factotum.now() = now() as same")).rows).toEqual([{ same: true }]);
});

test("a clock cannot run backwards", async () => {
  const db = await throwawayDatabase();
  const fault = { constraint: "clock_rate_not_backwards" };
  await expect(setClock(db, { rate: -1 })).rejects.toMatchObject({ code: "constraint-violated", fault });
});
