/** The desk with models behind it: a notice in words that the reader does not understand. */
import config from "../../examples/network-ops/factotum.config.ts";
import type { Notice } from "../../examples/network-ops/notice.ts";
import { toJson } from "factotum/kernel";
import { type Factotum, openFactotum } from "factotum/server";
import { reply, type ScriptedProvider, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";

const DAY = new Date("2026-03-02T07:00:00Z");

type Circuit = { readonly carrier: string; readonly id: string };

async function open(
  ...providers: readonly ScriptedProvider[]
): Promise<{ desk: Factotum; circuit: Circuit }> {
  const { url } = await throwawayDatabase();
  const models = providers.map(({ url: baseUrl }, at) => ({
    ...{ id: `openai-compatible/tiny${at}`, baseUrl, price: { inputUsdPerMtok: "1", outputUsdPerMtok: "2" } },
  }));
  const project = { ...config, models, clock: { at: DAY, rate: 0 } };
  const desk = await openFactotum(project, { env: { DATABASE_URL: url }, directory: ".", say: () => {} });
  await desk.prepare();
  const { rows } = await desk.db.query<Circuit>(
    `select k.name as carrier, c.carrier_circuit_id as id
       from netops.circuits c join netops.carriers k on k.id = c.carrier_id
      where k.notice_hours_min is null and not exists
        (select 1 from netops.redundancy_members m where m.circuit_id = c.id)
      order by c.id limit 1`,
  );
  return { desk, circuit: rows[0] as Circuit };
}

/** Words that no label or known phrase announces: the id stands where only sense can find it. */
const puzzle = (circuit: Circuit, id: string, day: string): Notice => ({
  subject: `A friendly heads-up from ${circuit.carrier}`,
  sentAt: "2026-03-01T09:00:00Z",
  text:
    `Dear partner, our crew will be splicing fibre. They begin on ${day} at 01:00 UTC and will have ` +
    `packed up by 04:00 UTC the same night. ${circuit.id} is going to be hard down for all of that time. ` +
    `Should you call us about it, say "${id}" to whoever picks up.`,
  attachments: [],
});

/** A form with one label that nobody has heard of. */
const form = (circuit: Circuit, id: string, day: string): Notice => ({
  ...puzzle(circuit, id, day),
  text:
    `Dear partner, planned maintenance is scheduled on our network.\nStart: ${day} 01:00 UTC\n` +
    `End: ${day} 04:00 UTC\nImpact: hard down\nCircuit: ${circuit.id}\nToken for the call: ${id}\n`,
});

const statement = (circuit: Circuit, id: string, day: string) => ({
  ...{ carrier: circuit.carrier, maintenanceId: id, status: "CONFIRMED" },
  windows: [
    {
      ...{ startsAt: `${day}T01:00:00Z`, endsAt: `${day}T04:00:00Z` },
      circuits: [{ circuitId: circuit.id, impact: "OUTAGE" }],
    },
  ],
});

const finish = reply([{ name: "finish", arguments: { unsure: [] } }]);

test("what the reader cannot resolve a model does, within the same checks, at a price", async () => {
  const provider = await scriptedProvider();
  const { desk, circuit } = await open(provider);
  provider.script(
    reply([{ name: "find_circuits", arguments: { where: { carrier_circuit_id: circuit.id } } }]),
    reply([{ name: "record_notice", arguments: statement(circuit, "QX-77-B", "2026-03-20") }]),
    finish,
  );
  const worker = desk.work();
  const notice = toJson(puzzle(circuit, "QX-77-B", "20 March 2026"));
  const { run } = await desk.start({ agent: "network-desk", key: "1", input: notice });
  await worker.drained();
  const story = await desk.showRun(run.id);
  expect(story.attempts.map((one) => [one.rung, one.status])).toEqual([
    ["reader", "discarded"],
    ["cheap model", "committed"],
  ]);
  expect([story.run.disposition, story.cost, story.questions.length]).toEqual(["resolved", 420n, 0]);
  await worker.stop();
  await desk.close();
  await provider.close();
});

test("a model that invents a time is caught by grounding, and nothing of it is committed", async () => {
  const provider = await scriptedProvider();
  const { desk, circuit } = await open(provider);
  provider.script(
    reply([{ name: "record_notice", arguments: statement(circuit, "QX-77-B", "2026-03-21") }]),
    finish,
  );
  const worker = desk.work();
  const notice = toJson(puzzle(circuit, "QX-77-B", "20 March 2026"));
  const { run } = await desk.start({ agent: "network-desk", key: "1", input: notice });
  await worker.drained();
  const story = await desk.showRun(run.id);
  const failed = story.attempts.at(-1)?.verdicts.filter((verdict) => verdict.kind === "fail");
  expect(failed?.map((verdict) => verdict.check)).toContain("every value stands in the notice");
  const recorded = await desk.db.query(
    "select 1 from netops.maintenances where carrier_maintenance_id = 'QX-77-B'",
  );
  expect([story.questions.length, recorded.rowCount]).toEqual([1, 0]);
  await worker.stop();
  await desk.close();
  await provider.close();
});

test("what a model resolved teaches the reader: the next notice of that shape costs no token", async () => {
  const provider = await scriptedProvider();
  const { desk, circuit } = await open(provider);
  provider.script(
    reply([{ name: "record_notice", arguments: statement(circuit, "QX-77-B", "2026-03-20") }]),
    finish,
  );
  const worker = desk.work();
  for (const [key, id, day] of [
    ["1", "QX-77-B", "20 March 2026"],
    ["2", "QX-81-B", "24 March 2026"],
  ] as const) {
    await desk.start({ agent: "network-desk", key, input: toJson(form(circuit, id, day)) });
    await worker.drained();
  }
  const summary = await desk.summary();
  expect([summary.resolved, summary.waiting, provider.requests.length]).toEqual([2, 0, 2]);
  const { rows } = await desk.db.query<{ at: Date }>(
    `select w.starts_at as at from netops.maintenance_windows w
       join netops.maintenances m on m.id = w.maintenance_id
      where m.carrier_maintenance_id = 'QX-81-B'`,
  );
  expect(rows).toEqual([{ at: new Date("2026-03-24T01:00:00Z") }]);
  await worker.stop();
  await desk.close();
  await provider.close();
});
