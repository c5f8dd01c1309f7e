import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { type ModelId, must, type RunId } from "../kernel/index.ts";
import { entriesOf, statementOf } from "../ledger/index.ts";
import { makeModels, type ModelCall, type ModelCard } from "../models/index.ts";
import {
  cut,
  fakeClock,
  notJson,
  reply,
  type ScriptedAnswer,
  type ScriptedUsage,
  scriptedProvider,
  status,
  throwawayDatabase,
} from "../testing/index.ts";
import { getCall, intend, reconcile, send, settle } from "./index.ts";

const db = await throwawayDatabase();
const provider = await scriptedProvider();
afterAll(() => provider.close());

/** Prices to work out by hand: 1 dollar a million tokens in, 0.25 cached, 4 out, 6 thought. */
const card: ModelCard = {
  ...{ id: "openai/priced" as ModelId, provider: "openai", model: "priced", outputTokensMax: 500 },
  baseUrl: provider.url,
  price: {
    ...{ kind: "stated", inputUsdPerMtok: "1", cachedInputUsdPerMtok: "0.25" },
    ...{ outputUsdPerMtok: "4", reasoningUsdPerMtok: "6" },
  },
};
const call: ModelCall = {
  ...{ model: card.id, messages: [{ role: "user", text: "?" }], tools: [] },
  outputTokensMax: 500,
};
const models = makeModels({ cards: [card], keys: {} });

/** One answer of the script, and what it must be booked at: micro-USD, or the worst case of a try. */
type Step = { readonly answer: ScriptedAnswer; readonly ends: boolean; readonly booked: number | "worst" };

function costByHand(usage: ScriptedUsage): number {
  const cached = usage.cachedInput ?? 0;
  const reasoning = usage.reasoning ?? 0;
  const quarters = 4 * (usage.input - cached) + cached + 16 * (usage.output - reasoning) + 24 * reasoning;
  return Math.ceil(quarters / 4);
}

const usage: fc.Arbitrary<ScriptedUsage> = fc
  .record({ fresh: fc.nat(100), cachedInput: fc.nat(100), said: fc.nat(200), reasoning: fc.nat(200) })
  .map(({ fresh, said, cachedInput, reasoning }) => ({
    ...{ input: fresh + cachedInput, output: said + reasoning },
    ...{ cachedInput, reasoning },
  }));
const free = (answer: ScriptedAnswer): fc.Arbitrary<Step> => fc.constant({ answer, ends: false, booked: 0 });
const step: fc.Arbitrary<Step> = fc.oneof(
  usage.map((counted): Step => ({ answer: reply("ok", counted), ends: true, booked: costByHand(counted) })),
  fc.constant<Step>({ answer: reply("ok", null), ends: true, booked: "worst" }),
  free(status(429, { retryAfter: 3 })),
  free(status(500)),
  free(status(529)),
  fc.constant<Step>({ answer: status(401), ends: true, booked: 0 }),
  fc.nat(4).map((afterChunks): Step => ({ answer: cut({ afterChunks }), ends: false, booked: "worst" })),
  fc.constant<Step>({ answer: notJson, ends: false, booked: "worst" }),
);

let runs = 0;
test("whatever a provider does, every try is booked once and right, and never beyond the hold", async () => {
  let tried = 0;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 5, maxLength: 5 }),
    fc.boolean(),
    async (steps, late) => {
      runs += 1;
      const runId = String(runs) as RunId;
      const first = provider.requests.length;
      // A fresh closure each time: what one example leaves over must not answer the next.
      provider.otherwise(() => must(steps[provider.requests.length - first - 1], "a scripted step").answer);
      const id = await db.transaction((tx) => intend(tx, { runId, attempt: 1, call, card }));
      const clock = fakeClock();
      const sleep = async (milliseconds: number): Promise<void> => clock.advance(milliseconds);
      const outcome = await send(models, id, call, { signal: new AbortController().signal, clock, sleep });
      if (late) await db.transaction((tx) => reconcile(tx, runId));
      const settlement = await db.transaction((tx) => settle(tx, id, outcome));

      const made = steps.slice(0, provider.requests.length - first);
      tried += made.length;
      expect(outcome.tries).toHaveLength(made.length);
      expect(made.slice(0, -1).every((each) => !each.ends)).toBe(true);
      const hold = must(await getCall(db, id), "the call").hold;
      const worst = Number(hold) / 2;
      const counted = made.reduce((sum, each) => sum + (each.booked === "worst" ? 0 : each.booked), 0);
      const lost = made.filter((each) => each.booked === "worst").length * worst;
      expect(settlement).toMatchObject({ cost: BigInt(counted), loss: BigInt(lost) });
      expect(await statementOf(db, runId)).toMatchObject({
        cost: BigInt(counted),
        loss: BigInt(lost),
        calls: 1,
      });
      expect(settlement.cost + settlement.loss).toBeLessThanOrEqual(hold);
      const kept = (await entriesOf(db, runId)).filter((entry) => (entry.try ?? 0) > 0);
      expect(kept.map((entry) => entry.try)).toEqual(made.map((_, at) => at + 1));
    },
  );
  await fc.assert(property, { numRuns: 60 });
  expect(tried).toBeGreaterThan(60);
});
