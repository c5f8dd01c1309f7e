/** What the desk tells its own people when a maintenance is never said to be over. */
import { setClock } from "factotum/postgres";
import { expect, test } from "vitest";
import { deliver, messages, openDesk } from "./kit.ts";

const DAYS = 24 * 3_600_000;

test("a ticket that nobody asked for is told to the operations centre, once, by mail", async () => {
  const desk = await openDesk();
  const worker = desk.work();
  try {
    await deliver(desk, (await messages()).slice(0, 6));
    await worker.drained();
    expect(await desk.outbox.count()).toMatchObject({ delivered: 0 });
    for (const day of [60, 61]) {
      await setClock(desk.db, { at: new Date(Date.parse("2026-03-02T07:00:00Z") + day * DAYS), rate: 0 });
      await worker.drained();
    }
    const tickets = await desk.db.query<{ title: string }>(
      "select title from netops.tickets where title like 'Chase %' order by 1",
    );
    const sent = (await desk.outbox.list({ state: "delivered", limit: 100 })).toReversed();
    expect(sent.length).toBeGreaterThan(0);
    const subjects = sent.map((one) => (one.body as { readonly subject: string }).subject);
    expect(new Set(subjects)).toEqual(new Set(tickets.rows.map((row) => row.title)));
    expect(sent).toHaveLength(tickets.rows.length);
  } finally {
    await worker.stop();
    await desk.close();
  }
}, 120_000);
