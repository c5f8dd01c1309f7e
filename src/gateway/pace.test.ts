/** What a key may use in a minute, where minutes and answers about them come late. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { must } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { loadKeys, makeKey } from "./keys.ts";
import { openPaces } from "./pace.ts";

test("an answer that comes after its minute refuses nobody: the next minute is asked for", async () => {
  const db = await throwawayDatabase();
  const limits = { requestsPerMinute: 10, tokensPerMinute: 1_000_000 };
  await db.transaction((tx) => makeKey(tx, { name: "late", ...limits }, randomBytes));
  const key = must([...(await loadKeys(db)).values()][0], "the key");
  let visits = 0;
  const late: Database = {
    ...db,
    async query(sql, params) {
      const answer = await db.query(sql, params);
      visits += 1;
      if (visits === 1) for (const row of answer.rows) Reflect.set(row, "ends_in_ms", 0);
      return answer as never;
    },
  };
  const paces = openPaces(late, () => {});
  const takings = await Promise.all([paces.take(key, 1, 10), paces.take(key, 1, 10)]);
  expect(takings.map(({ kind }) => kind)).toEqual(["paced", "paced"]);
  expect(visits).toBe(2);
  await paces.close();
  await db.close();
});
