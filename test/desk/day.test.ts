/** The example's day through the whole desk. */
import { Statement } from "../../examples/network-ops/notice.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerAll, calendar, deliver, type Message, messages, openDesk } from "./kit.ts";

/** A statement as it counts: instants as numbers, circuits in order. */
const told = (statement: Statement) => ({
  ...{ carrier: statement.carrier, id: statement.maintenanceId, status: statement.status },
  windows: statement.windows.map((window) => ({
    ...{ from: Date.parse(window.startsAt), to: Date.parse(window.endsAt) },
    circuits: window.circuits.map((circuit) => `${circuit.circuitId}=${circuit.impact}`).sort(),
  })),
});

/** No notice opens, closes or rewrites a ticket, whatever it tells the desk to do. */
const TICKETS = "select * from netops.tickets order by id";

test("what the desk commits by itself is true, on days it has never seen", { timeout: 120_000 }, async () => {
  let committed = 0;
  for (const seed of [1, 2, 3]) {
    const day = await messages(seed);
    const desk = await openDesk();
    const before = await desk.db.query(TICKETS);
    const worker = desk.work();
    await deliver(desk, day);
    await worker.drained();
    const { rows } = await desk.db.query<{ fingerprint: string; statement: unknown }>(
      "select fingerprint, statement from netops.notices where fingerprint = any($1)",
      [day.map((message) => message.key)],
    );
    for (const { fingerprint, statement } of rows) {
      const { item } = day.find((message) => message.key === fingerprint) as Message;
      expect(item.truth.kind, item.label).toBe("states");
      if (item.truth.kind !== "states") continue;
      expect(told(Statement.parse(statement)), `${seed}/${item.file} ${item.label}`).toEqual(
        told(item.truth.statement),
      );
      expect(item.truth.asks, item.label).toEqual([]);
      committed += 1;
    }
    const refused = await desk.listRuns({ outcome: "refused" });
    for (const { key } of refused) {
      const message = day.find((one) => one.key === key);
      expect(message?.item.truth.kind, message?.item.label).not.toBe("states");
    }
    expect((await desk.db.query(TICKETS)).rows).toEqual(before.rows);
    await worker.stop();
    await desk.close();
  }
  expect(committed).toBeGreaterThan(30);
});

test(
  "the same notices shuffled, doubled and out of order end in the same calendar",
  { timeout: 180_000 },
  async () => {
    const day = (await messages()).filter((message) => message.item.truth.kind !== "repeats");
    const [shuffled] = fc.sample(
      fc.shuffledSubarray([...day, ...day.filter((_, at) => at % 3 === 0)], { minLength: day.length }),
      { numRuns: 1, seed: 7 },
    );
    const everything = [...(shuffled ?? []), ...day].toReversed();
    const calendars = [];
    for (const queue of [day, everything]) {
      const desk = await openDesk();
      const worker = desk.work();
      await deliver(desk, queue);
      await worker.drained();
      while ((await answerAll(desk, day)) > 0) await worker.drained();
      calendars.push(await calendar(desk.db));
      await worker.stop();
      await desk.close();
    }
    expect(calendars[0]?.length).toBeGreaterThan(25);
    expect(calendars[1]).toEqual(calendars[0]);
  },
);
