/** The desk's own rules, on change sets that its tools would not make. */
import { recordStatement } from "../../examples/network-ops/calendar/index.ts";
import { soundCalendar } from "../../examples/network-ops/desk/checks.ts";
import type { Statement } from "../../examples/network-ops/notice.ts";
import { diff, inspect, stage } from "factotum/changes";
import { toJson } from "factotum/kernel";
import { verify } from "factotum/policy";
import type { Transaction } from "factotum/postgres";
import { expect, test } from "vitest";
import { openDesk } from "./kit.ts";

const TABLES = ["notices", "maintenances", "maintenance_windows", "window_circuits", "tickets"];

test("a cancelled notice that makes a window live, or touches a ticket, is thrown away", async () => {
  const desk = await openDesk();
  const { rows } = await desk.db.query<{ carrier: string; id: string }>(
    `select k.name as carrier, c.carrier_circuit_id as id
       from netops.circuits c join netops.carriers k on k.id = c.carrier_id order by c.id limit 1`,
  );
  const { carrier = "", id = "" } = rows[0] ?? {};
  const circuits = [{ circuitId: id, impact: "OUTAGE" as const }];
  const statement: Statement = {
    ...{ carrier, maintenanceId: "XX-1", status: "CANCELLED" },
    windows: [{ startsAt: "2026-03-20T01:00:00Z", endsAt: "2026-03-20T04:00:00Z", circuits }],
  };
  const failed = async (meddle: (tx: Transaction) => Promise<unknown>): Promise<readonly string[]> => {
    const tables = TABLES.map((table) => `netops.${table}`);
    const { changes } = await stage(desk.db, { rows: [] }, { tables }, async (tx) => {
      await recordStatement(tx, statement, { fingerprint: "f" });
      await meddle(tx);
    });
    const { result } = await inspect(desk.db, changes, async (tx) =>
      verify(soundCalendar, {
        ...{ input: { text: "", attachments: [] }, diff: await diff(tx, changes), view: tx, at: new Date(0) },
        calls: [{ tool: "record_notice", input: toJson(statement), output: null }],
        turns: [],
      }),
    );
    return result.filter((verdict) => verdict.kind === "fail").map((verdict) => verdict.check);
  };
  expect(await failed(async () => undefined)).toEqual([]);
  expect(
    await failed((tx) =>
      tx.query(
        `update netops.maintenance_windows set status = 'CONFIRMED' where maintenance_id =
           (select id from netops.maintenances where carrier_maintenance_id = 'XX-1')`,
      ),
    ),
  ).toEqual(["a cancelled notice makes no window live"]);
  expect(
    await failed((tx) =>
      tx.query("insert into netops.tickets (title, opened_at) values ('x', factotum.now())"),
    ),
  ).toEqual(["a notice opens, closes and rewrites no ticket"]);
  await desk.close();
});
