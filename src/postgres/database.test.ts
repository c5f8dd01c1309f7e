import { expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";

test("a row written in a transaction is read back, and one rolled back is not", async () => {
  const db = await throwawayDatabase();
  await db.query("create table thing (id int primary key)");
  await db.transaction(async (tx) => await tx.query("insert into thing values ($1)", [1]));
  await expect(
    db.transaction(async (tx) => {
      await tx.query("insert into thing values (2)");
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect((await db.query("select * from thing")).rows).toEqual([{ id: 1 }]);
});
