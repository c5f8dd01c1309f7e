import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database, Transaction } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { applySchema } from "../schema.ts";
import type { Impact, Statement, Status } from "../notice.ts";
import {
  type AcceptedStatement,
  foldStatements,
  freezesHit,
  recordStatement,
  redundantConflicts,
  shortNotice,
  StatementRefused,
} from "./index.ts";

let db: Database;
beforeAll(async () => {
  db = await throwawayDatabase();
  await db.transaction(async (tx) => {
    await applySchema(tx);
    await tx.query(`
      insert into netops.sites (code, city, time_zone) values ('AAA1', 'A', 'UTC'), ('BBB1', 'B', 'UTC');
      insert into netops.devices (site_id, name, role) select id, lower(code), 'edge' from netops.sites;
      insert into netops.carriers (name, notice_hours_min) values ('Quell', 72), ('Other', null);
      insert into netops.circuits (carrier_id, carrier_circuit_id, a_device_id, purpose)
        select k.id, c.name, d.id, 'test'
          from (values ('Quell', 'Q-1', 'aaa1'), ('Quell', 'Q-2', 'aaa1'), ('Quell', 'Q-3', 'bbb1'),
                       ('Other', 'O-1', 'bbb1')) as c (carrier, name, device)
          join netops.carriers k on k.name = c.carrier join netops.devices d on d.name = c.device;
      insert into netops.redundancy_groups (name, protects) values ('pair', 'the site');
      insert into netops.redundancy_members
        select g.id, c.id from netops.redundancy_groups g, netops.circuits c
         where c.carrier_circuit_id in ('Q-1', 'O-1');
      insert into netops.change_freezes (site_id, starts_at, ends_at, reason)
        select id, '2026-12-20', '2026-12-22', 'audit' from netops.sites where code = 'BBB1';
      insert into netops.change_freezes (starts_at, ends_at, reason)
        values ('2026-12-30', '2027-01-02', 'new year');
    `);
  });
});
afterAll(async () => {
  await db.close();
});

class Rollback extends Error {}

/** Runs `work` in a transaction that leaves nothing behind. */
async function trying<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  try {
    await db.transaction(async (tx) => {
      result = { value: await work(tx) };
      await tx.query("set constraints all immediate");
      throw new Rollback();
    });
  } catch (error) {
    if (!(error instanceof Rollback) || result === undefined) throw error;
    return result.value;
  }
  throw new Error("the transaction was not rolled back");
}

/** The calendar without keys of our own. */
async function dump(tx: Transaction): Promise<unknown> {
  const found = await tx.query(
    `select m.carrier_maintenance_id, m.status, m.notice_count, w.number, w.starts_at, w.ends_at,
            w.status as window_status, c.carrier_circuit_id, wc.impact
       from netops.maintenances m
       left join netops.maintenance_windows w on w.maintenance_id = m.id
       left join netops.window_circuits wc on wc.maintenance_id = m.id and wc.window_number = w.number
       left join netops.circuits c on c.id = wc.circuit_id
      order by 1, 4, 8`,
  );
  return found.rows;
}

function day(number: number, hour = 0): string {
  return new Date(Date.UTC(2026, 11, number, hour)).toISOString();
}

function window(number: number, ...circuits: readonly string[]): Statement["windows"][number] {
  return {
    startsAt: day(number, 1),
    endsAt: day(number, 5),
    circuits: circuits.map((circuitId) => ({ circuitId, impact: "OUTAGE" as Impact })),
  };
}

function says(status: Status, windows: Statement["windows"], more: Partial<Statement> = {}): Statement {
  return { carrier: "Quell", maintenanceId: "M-1", status, windows, sentAt: day(1), ...more };
}

async function record(tx: Transaction, ...statements: readonly Statement[]): Promise<void> {
  for (const statement of statements)
    await recordStatement(tx, statement, { fingerprint: JSON.stringify(statement) });
}

/** The calendar after these statements, duplicates refused. */
async function played(order: readonly Statement[]): Promise<unknown> {
  return await trying(async (tx) => {
    for (const statement of order)
      await record(tx, statement).catch((error: unknown) => {
        if (!(error instanceof StatementRefused) || error.code !== "duplicate-notice") throw error;
      });
    return dump(tx);
  });
}

/** Reason and site of every freeze that a window on this day hits. */
async function hits(at: number, circuit: string): Promise<unknown> {
  return await trying(async (tx) => {
    await record(tx, says("CONFIRMED", [window(at, circuit)]));
    return (await freezesHit(tx, says("CONFIRMED", []))).map(({ reason, site }) => [reason, site]);
  });
}

const circuits = fc.subarray(["Q-1", "Q-2", "Q-3"]).map((ids) =>
  ids.map((circuitId, place) => ({
    circuitId,
    impact: place === 0 ? ("OUTAGE" as const) : ("NO-IMPACT" as const),
  })),
);
const windows = fc.array(
  fc.record({ at: fc.integer({ min: 10, max: 13 }), circuits }).map(({ at, circuits: touched }) => ({
    startsAt: day(at, 1),
    endsAt: day(at, 5),
    circuits: touched,
  })),
  { maxLength: 3 },
);
const statuses = fc.constantFrom<Status>(
  "TENTATIVE",
  "CONFIRMED",
  "RE-SCHEDULED",
  "CANCELLED",
  "IN-PROCESS",
  "COMPLETED",
);
const statements: fc.Arbitrary<Statement> = fc
  .record({
    maintenanceId: fc.constantFrom("M-1", "M-2"),
    status: statuses,
    windows,
    sent: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null }),
    sequence: fc.option(fc.integer({ min: 0, max: 3 }), { nil: null }),
  })
  .map(({ maintenanceId, status, windows: stated, sent, sequence }) => ({
    carrier: "Quell",
    maintenanceId,
    status,
    windows: stated,
    ...(sent === null ? {} : { sentAt: day(sent) }),
    ...(sequence === null ? {} : { sequence }),
  }));

describe("the same notices end in the same calendar", () => {
  test("in any order and with any doubling", async () => {
    let live = 0;
    const shuffled = fc.array(statements, { minLength: 1, maxLength: 6 }).chain((all) =>
      fc.record({
        all: fc.constant(all),
        other: fc
          .array(fc.constantFrom(...all), { maxLength: 4 })
          .chain((more) => fc.shuffledSubarray([...all, ...more], { minLength: all.length + more.length })),
      }),
    );
    await fc.assert(
      fc.asyncProperty(shuffled, async ({ all, other }) => {
        const once = await played(all);
        live += (once as { number: number | null }[]).filter((row) => row.number !== null).length;
        expect(await played(other)).toEqual(once);
      }),
      { numRuns: 40 },
    );
    expect(live).toBeGreaterThan(40);
  });

  test("when they are recorded side by side", async () => {
    const all = [
      says("CONFIRMED", [window(10, "Q-1"), window(12, "Q-2")]),
      says("RE-SCHEDULED", [window(14, "Q-1")], { sentAt: day(2) }),
      says("CANCELLED", [], { sentAt: day(3) }),
      says("CONFIRMED", [window(15, "Q-3"), window(16, "Q-3")], { sentAt: day(4) }),
      says("COMPLETED", [window(15)], { sentAt: day(5) }),
    ];
    const once = await played(all);
    await Promise.all(all.map((statement) => db.transaction((tx) => record(tx, statement))));
    expect(await db.transaction(dump)).toEqual(once);
    await db.query("truncate netops.maintenances cascade");
  });

  test("the fold does not depend on the order it is given", () => {
    const accepted = fc
      .array(statements, { minLength: 1, maxLength: 8 })
      .map((all): AcceptedStatement[] => all.map((statement, n) => ({ fingerprint: String(n), statement })));
    fc.assert(
      fc.property(accepted, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (all, dice) => {
        const other = all
          .map((item) => ({ item, at: Number(dice.next().value) }))
          .sort((a, b) => a.at - b.at)
          .map(({ item }) => item);
        expect(foldStatements([...other, ...all])).toEqual(foldStatements(all));
      }),
    );
  });

  test("what is cancelled has no live window unless a newer notice gives windows again", () => {
    fc.assert(
      fc.property(fc.array(statements, { maxLength: 6 }), statements, (before, last) => {
        const cancelled = { ...last, status: "CANCELLED" as const, windows: [], sentAt: day(9), sequence: 9 };
        const entry = foldStatements(
          [...before, cancelled].map((statement, n) => ({ fingerprint: String(n), statement })),
        );
        expect(entry.windows.filter(({ status }) => !["CANCELLED", "COMPLETED"].includes(status))).toEqual(
          [],
        );
      }),
    );
  });
});

test("the schema is applied once", async () => {
  expect(await db.transaction((tx) => applySchema(tx))).toBe(false);
});

describe("what notices do to the calendar", () => {
  test("a rescheduling moves the window in place and removes the rest", async () => {
    const rows = await trying(async (tx) => {
      await record(tx, says("CONFIRMED", [window(12, "Q-2"), window(10, "Q-1")]));
      await record(tx, says("RE-SCHEDULED", [window(15, "Q-1")], { sentAt: day(2) }));
      return dump(tx);
    });
    expect(rows).toEqual([
      expect.objectContaining({
        number: 1,
        status: "RE-SCHEDULED",
        carrier_circuit_id: "Q-1",
        notice_count: 2,
      }),
    ]);
    expect((rows as { starts_at: Date }[])[0]?.starts_at).toEqual(new Date(day(15, 1)));
  });

  test("a bare cancellation keeps the windows as cancelled", async () => {
    const rows = await trying(async (tx) => {
      await record(tx, says("CONFIRMED", [window(10, "Q-1"), window(12, "Q-2")]));
      await record(tx, says("CANCELLED", [], { sentAt: day(2) }));
      return dump(tx);
    });
    expect(rows).toHaveLength(2);
    for (const row of rows as object[])
      expect(row).toMatchObject({ status: "CANCELLED", window_status: "CANCELLED" });
  });

  test("a bare cancellation of unknown work is kept, and an older plan cannot revive it", async () => {
    const [first, second] = await trying(async (tx) => {
      await record(tx, says("CANCELLED", [], { sentAt: day(3) }));
      const alone = await dump(tx);
      await record(tx, says("CONFIRMED", [window(10, "Q-1")], { sentAt: day(2) }));
      return [alone, await dump(tx)];
    });
    expect(first).toEqual([expect.objectContaining({ status: "CANCELLED", number: null })]);
    expect(second).toEqual([expect.objectContaining({ status: "CANCELLED", window_status: "CANCELLED" })]);
  });

  test("the completion of one of two windows leaves the other as it was", async () => {
    const rows = await trying(async (tx) => {
      await record(tx, says("CONFIRMED", [window(10, "Q-1"), window(12, "Q-2")]));
      await record(tx, says("COMPLETED", [window(10)], { sentAt: day(2) }));
      return dump(tx);
    });
    expect(rows).toMatchObject([
      { status: "CONFIRMED", window_status: "COMPLETED", carrier_circuit_id: "Q-1" },
      { status: "CONFIRMED", window_status: "CONFIRMED", carrier_circuit_id: "Q-2" },
    ]);
  });

  test("a late, older notice is kept and changes nothing", async () => {
    const rows = await trying(async (tx) => {
      await record(tx, says("CONFIRMED", [window(10, "Q-1")], { sequence: 2, sentAt: day(1) }));
      await record(tx, says("TENTATIVE", [window(20, "Q-2")], { sequence: 1, sentAt: day(2) }));
      return dump(tx);
    });
    expect(rows).toEqual([
      expect.objectContaining({ status: "CONFIRMED", carrier_circuit_id: "Q-1", notice_count: 2 }),
    ]);
  });
});

describe("the calendar refuses", () => {
  test.each<[string, Partial<Statement>]>([
    ["unknown-carrier", { carrier: "Nobody" }],
    ["unknown-circuit", { windows: [window(10, "Q-1", "Q-9")] }],
    ["foreign-circuit", { windows: [window(10, "O-1")] }],
    ["window-not-forward", { windows: [{ ...window(10, "Q-1"), endsAt: day(10, 1) }] }],
    ["statement-unusable", { maintenanceId: " M-1" }],
  ])("%s", async (code, more) => {
    await expect(trying((tx) => record(tx, says("CONFIRMED", [], more)))).rejects.toMatchObject({
      code,
      retry: "never",
    });
  });

  test("another carrier's circuit even when written by hand", async () => {
    await expect(
      trying(async (tx) => {
        await record(tx, says("CONFIRMED", [window(10, "Q-1")]));
        await tx.query(
          `insert into netops.window_circuits
           select w.maintenance_id, w.window_number, c.id, w.carrier_id, 'OUTAGE'
             from netops.window_circuits w, netops.circuits c where c.carrier_circuit_id = 'O-1'`,
        );
      }),
    ).rejects.toThrow(/circuit_carrier_fkey/);
  });
});

describe("policy facts", () => {
  const other = says("CONFIRMED", [window(10, "O-1")], { carrier: "Other", maintenanceId: "X" });

  test("two redundant circuits down at once are found, across carriers", async () => {
    const [alone, both] = await trying(async (tx) => {
      await record(tx, says("CONFIRMED", [window(10, "Q-1", "Q-2")]));
      const before = await redundantConflicts(tx, says("CONFIRMED", []));
      await record(tx, other);
      return [before, await redundantConflicts(tx, other)];
    });
    expect(alone).toEqual([]);
    expect(both).toMatchObject([
      { group: "pair", startsAt: new Date(day(10, 1)), endsAt: new Date(day(10, 5)) },
    ]);
    expect(both[0]?.circuits.map((circuit) => circuit.maintenanceId)).toEqual(["X", "M-1"]);
  });

  test.each<[string, Statement]>([
    ["on another day", says("CONFIRMED", [window(11, "Q-1")])],
    [
      "without impact",
      says("CONFIRMED", [{ ...window(10), circuits: [{ circuitId: "Q-1", impact: "NO-IMPACT" }] }]),
    ],
    ["cancelled", says("CANCELLED", [window(10, "Q-1")])],
  ])("redundancy holds when the other is %s", async (_, statement) => {
    const found = await trying(async (tx) => {
      await record(tx, statement, other);
      return redundantConflicts(tx, other);
    });
    expect(found).toEqual([]);
  });

  test("freezes are hit by site and everywhere", async () => {
    expect(await hits(21, "Q-3")).toEqual([["audit", "BBB1"]]);
    expect(await hits(21, "Q-1")).toEqual([]);
    expect(await hits(31, "Q-1")).toEqual([["new year", null]]);
  });

  test("notice is short against the contract, but a reminder of a known window is not", async () => {
    const late = says("CONFIRMED", [window(10, "Q-1")], { sentAt: day(9) });
    const [short, reminder, uncontracted] = await trying(async (tx) => {
      const before = await shortNotice(tx, late, new Date(day(1)));
      await record(tx, says("CONFIRMED", [window(10, "Q-1")], { sentAt: day(1) }));
      return [
        before,
        await shortNotice(tx, late, new Date(day(1))),
        await shortNotice(tx, { ...late, carrier: "Other" }, new Date(day(1))),
      ];
    });
    expect(short).toEqual([{ startsAt: day(10, 1), hoursGiven: 25, hoursPromised: 72 }]);
    expect(reminder).toEqual([]);
    expect(uncontracted).toEqual([]);
  });
});
