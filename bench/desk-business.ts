/** The business that a file of notices speaks of, and the desk at work on it. */
import { NOC, recordNotice } from "../examples/network-ops/desk/tools.ts";
import { desk } from "../examples/network-ops/desk/agent.ts";
import { knowledgeOf } from "../examples/network-ops/desk/knowledge.ts";
import { hasShapeOf } from "../examples/network-ops/reading/index.ts";
import {
  expectedOf,
  inventoryOf,
  type NoticeRow,
  toNotice,
} from "../examples/network-ops/reading/bench-rows.ts";
import { applySchema } from "../examples/network-ops/schema.ts";
import { recall } from "factotum/context";
import { defaultTenant, toJson } from "factotum/kernel";
import { defineConfig, openFactotum } from "factotum/server";
import { type Database, setClock, type Transaction } from "factotum/postgres";

/** A window as it was committed, with everything that is judged. */
export type Committed = {
  readonly notice: string;
  readonly provider: string;
  readonly maintenanceId: string;
  readonly status: string;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly circuits: readonly { readonly circuitId: string; readonly impact: string }[];
  readonly pass?: string;
};

/** What the desk did with one notice. `committed` is empty where it asked or refused and nobody answered. */
export type Handled = {
  readonly committed: readonly Committed[];
  readonly disposition: string;
  readonly questions: readonly string[];
  /** Whether a notice of its shape had been taught when it came. */
  readonly shapeTaught: boolean;
};

/** The desk on one database. */
export type BenchDesk = {
  handle(row: NoticeRow, options: { readonly taught: boolean }): Promise<Handled>;
  close(): Promise<void>;
};

const CALENDAR = ["window_circuits", "maintenance_windows", "notices", "tickets", "maintenances"]
  .map((table) => `netops.${table}`)
  .join(", ");

/** Opens a desk whose inventory holds the circuits of the file and as many again that are in no notice. */
export async function openDesk(
  rows: readonly NoticeRow[],
  directory: string,
  models: boolean,
): Promise<BenchDesk> {
  const config = defineConfig({
    name: "bench",
    agents: [desk],
    channels: { [NOC]: { deliver: async () => {} } },
    prepare: async (tx) => {
      if (await applySchema(tx)) await seed(tx, rows);
    },
  });
  const factotum = await openFactotum(config, { env: environment(models), directory, say: () => {} });
  await factotum.prepare();
  const worker = factotum.work();
  return {
    async handle(row, { taught }) {
      await freshBusiness(factotum.db, row);
      const notice = toNotice(row);
      const shapeTaught = await knowsShape(factotum.db, row);
      const { run } = await factotum.start({ agent: desk.name, key: row.id, input: toJson(notice) });
      await worker.drained();
      const asked = (await factotum.inbox()).filter((question) => question.runId === run.id);
      const questions = asked.map((question) => question.card.because.join("; "));
      const unanswered = await committedBy(factotum.db, row);
      const story = await factotum.showRun(run.id);
      const handled = { disposition: story.run.disposition ?? story.run.status, questions, shapeTaught };
      if (!taught || asked.length === 0) return { ...handled, committed: unanswered };
      for (const question of asked) {
        const calls = expectedOf(row).map((statement) => ({
          tool: recordNotice.name,
          input: toJson(statement),
        }));
        await factotum.answer(question.id, { choice: "correct", calls, by: "bench" });
      }
      await worker.drained();
      return { ...handled, committed: await committedBy(factotum.db, row) };
    },
    async close() {
      await worker.stop();
      await factotum.close();
    },
  };
}

/** An embedded database of our own, whatever `DATABASE_URL` says: the bench empties its calendar. */
function environment(models: boolean): { readonly [name: string]: string | undefined } {
  return models ? { ...process.env, DATABASE_URL: undefined } : {};
}

async function seed(tx: Transaction, rows: readonly NoticeRow[]): Promise<void> {
  const { carriers, circuits } = inventoryOf(rows);
  await tx.query(`insert into netops.carriers (name) select unnest($1::text[])`, [
    carriers.map(({ name }) => name),
  ]);
  await tx.query(
    `insert into netops.circuits (carrier_id, carrier_circuit_id, purpose)
     select k.id, given.circuit, 'leased' from unnest($1::text[], $2::text[]) given (carrier, circuit)
       join netops.carriers k on k.name = given.carrier`,
    [circuits.map((one) => one.carrier), circuits.map((one) => one.circuitId)],
  );
}

/** Empties the calendar and sets the clock to when the notice was sent, or to its first window. */
async function freshBusiness(db: Database, row: NoticeRow): Promise<void> {
  await db.query(`truncate ${CALENDAR} restart identity`);
  const sent = row.date === null || row.date === undefined ? Number.NaN : Date.parse(row.date);
  const stamp = row.expected[0]?.stamp ?? row.expected[0]?.start ?? 0;
  await setClock(db, { at: new Date(Number.isNaN(sent) ? stamp * 1000 : sent) });
}

/** Whether the carrier's lessons hold one that was learned from a notice of this form. */
async function knowsShape(db: Database, row: NoticeRow): Promise<boolean> {
  const lessons = await recall(db, { tenant: defaultTenant, agent: desk.name });
  const { lessons: known } = await knowledgeOf(db, lessons);
  const notice = toNotice(row);
  return known.some((lesson) => lesson.carrier === row.provider && hasShapeOf(notice, lesson));
}

async function committedBy(db: Database, row: NoticeRow): Promise<readonly Committed[]> {
  const { rows } = await db.query<Omit<Committed, "notice">>(
    `select k.name as provider, m.carrier_maintenance_id as "maintenanceId", w.status::text,
            to_char(w.starts_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "startsAt",
            to_char(w.ends_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "endsAt",
            coalesce(jsonb_agg(jsonb_build_object('circuitId', c.carrier_circuit_id, 'impact', wc.impact)
                     order by c.carrier_circuit_id) filter (where c.id is not null), '[]') as circuits
       from netops.maintenances m
       join netops.carriers k on k.id = m.carrier_id
       left join netops.maintenance_windows w on w.maintenance_id = m.id
       left join netops.window_circuits wc
         on wc.maintenance_id = w.maintenance_id and wc.window_number = w.number
       left join netops.circuits c on c.id = wc.circuit_id
      group by k.name, m.carrier_maintenance_id, w.status, w.starts_at, w.ends_at
      order by 1, 2, w.starts_at`,
  );
  return rows.map((one) => ({ notice: row.id, ...one }));
}
