import fc from "fast-check";
import { expect, test } from "vitest";
import type { TenantId } from "../kernel/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { recordUsage, type UsageEvent, usageByHour, usageDisputes } from "./index.ts";

const db = await throwawayDatabase();
const record = (events: readonly UsageEvent[]) => db.transaction((tx) => recordUsage(tx, events));

/** Few keys and few values, so that events are doubled, and keys contradicted. */
const said = fc.record({
  id: fc.nat(9),
  hour: fc.nat(2),
  subject: fc.constantFrom("anna", "bo"),
  quantity: fc.integer({ min: -3, max: 3 }),
});
const shuffles = fc.array(said, { minLength: 1, maxLength: 25 }).chain((events) =>
  fc.tuple(
    fc.constant(events),
    fc.shuffledSubarray([...events, ...events.slice(0, 9)], {
      minLength: events.length + Math.min(9, events.length),
    }),
    fc.integer({ min: 1, max: 9 }),
  ),
);

function eventOf(
  tenant: string,
  { id, hour, subject, quantity }: typeof said extends fc.Arbitrary<infer T> ? T : never,
): UsageEvent {
  return {
    ...{ source: tenant, id: `e${id}`, at: new Date(Date.UTC(2030, 0, 1, hour, id)) },
    ...{ tenant: tenant as TenantId, subject, meter: "tokens.output", quantity: BigInt(quantity) },
  };
}

/** All that the ledger says of a tenant, as text, with the tenant's own name left out. */
async function ledgerOf(tenant: string): Promise<string> {
  const filter = { tenant: tenant as TenantId };
  const all = [await usageByHour(db, filter), await usageDisputes(db, filter)];
  return JSON.stringify(all, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}` : value,
  ).replaceAll(tenant, "tenant");
}

let trials = 0;

test("late and doubled events, in any order and any batches, give a byte-identical ledger", async () => {
  let disputes = 0;
  await fc.assert(
    fc.asyncProperty(shuffles, async ([events, shuffled, size]) => {
      trials += 1;
      const [straight, crooked] = [`s${trials}`, `c${trials}`];
      await record(events.map((one) => eventOf(straight, one)));
      const batches: UsageEvent[][] = [];
      for (let at = 0; at < shuffled.length; at += size) {
        batches.push(shuffled.slice(at, at + size).map((one) => eventOf(crooked, one)));
      }
      // Two at a time, as two collectors would.
      for (let at = 0; at < batches.length; at += 2) await Promise.all(batches.slice(at, at + 2).map(record));
      expect(await ledgerOf(crooked)).toBe(await ledgerOf(straight));
      disputes += (await usageDisputes(db, { tenant: crooked as TenantId })).length;
    }),
    { numRuns: 40 },
  );
  expect(disputes).toBeGreaterThan(0);
});

const [lamp] = [eventOf("shop", { id: 1, hour: 0, subject: "anna", quantity: 2 })];

test("an event counts once, and a key that says two things counts for neither", async () => {
  expect(await record([lamp, lamp])).toEqual({ fresh: 1, repeated: 1, disputed: 0 });
  expect(await usageByHour(db, { tenant: lamp.tenant })).toMatchObject([{ quantity: 2n, events: 1 }]);
  const other = { ...lamp, quantity: 3n };
  expect(await record([other, other])).toEqual({ fresh: 0, repeated: 0, disputed: 2 });
  expect(await usageByHour(db, { tenant: lamp.tenant })).toEqual([]);
  expect(await usageDisputes(db, { tenant: lamp.tenant })).toEqual([lamp, other]);
});

test("an event without a number, a time or a name is refused with its whole batch", async () => {
  const good = { ...lamp, id: "good" };
  for (const bad of [
    { ...lamp, quantity: Number.NaN as unknown as bigint },
    { ...lamp, quantity: 2n ** 63n - 1n },
    { ...lamp, at: new Date(Number.NaN) },
    { ...lamp, subject: "" },
    { ...lamp, id: "a\0b" },
  ]) {
    await expect(record([good, bad])).rejects.toMatchObject({ code: "usage-invalid" });
  }
  expect(await record([good])).toMatchObject({ fresh: 1 });
});

test("the database refuses to change or take away a usage event", async () => {
  for (const sql of [
    "update factotum.usage_events set quantity = 0",
    "delete from factotum.usage_events",
    "truncate factotum.usage_events cascade",
    "delete from factotum.usage_disputes",
  ]) {
    await expect(db.query(sql)).rejects.toThrow(/append-only/);
  }
});
