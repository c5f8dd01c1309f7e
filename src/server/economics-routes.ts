import type { Hono } from "hono";
import { z } from "zod";
import { cohortKeys } from "../reports/index.ts";
import type { EconomicsDoor } from "./economics.ts";
import { parseRequest, plainText, readBody } from "./http-body.ts";
import { filterOf, filtering } from "./ledger-routes.ts";
import { repricedJson } from "./ledger-wire.ts";
import { cohortJson } from "./reports-wire.ts";

const NUMBER_CHARS_MAX = 60;
const LIST_MAX = 100;

const number = plainText.min(1).max(NUMBER_CHARS_MAX);
const timing = filtering.extend({ minutesPerAnswer: number, outcomesPerHourBefore: number });
const cohorting = filtering.extend({ by: z.enum(cohortKeys).default("tenant") });
const point = z.strictObject({ price: number, usage: number });
const repricing = filtering
  .extend({
    prices: z.record(z.string(), z.unknown()).optional(),
    service: z.enum(["live", "batch"]).optional(),
  })
  .refine(({ prices, service }) => prices !== undefined || service !== undefined, "needs prices or service");
const shape = z.strictObject({ fixed: number, perUnit: number });
const asking = z.strictObject({
  prices: z.array(number).min(1).max(LIST_MAX),
  costs: shape,
  against: shape.optional(),
  capacity: number.optional(),
  demand: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("constant"), at: point, elasticity: number }),
      z.strictObject({ kind: z.literal("piecewise"), points: z.array(point).min(1).max(LIST_MAX) }),
    ])
    .optional(),
});

/** What unit economics add to the list of routes. */
export const ECONOMICS_ROUTES: readonly string[] = [
  "GET /api/ledger/leverage?minutesPerAnswer=&outcomesPerHourBefore=&…",
  "GET /api/ledger/cohorts?by=tenant|agent&…",
  "POST /api/ledger/reprice {prices?: {MODEL: {inputUsdPerMtok, …}}, service?: live|batch, run?, from?, …}",
  "POST /api/ledger/what-if {prices, costs: {fixed, perUnit}, against?: {…}, capacity?, demand?}",
];

/** Adds the routes of unit economics. */
export function economicsRoutes(app: Hono, economics: EconomicsDoor): void {
  app.get("/api/ledger/leverage", async (context) => {
    const { minutesPerAnswer, outcomesPerHourBefore, ...asked } = parseRequest(timing, context.req.query());
    const time = { minutesPerAnswer, outcomesPerHourBefore };
    return context.json(await economics.leverage(time, filterOf(asked)));
  });
  app.get("/api/ledger/cohorts", async (context) => {
    const { by, ...asked } = parseRequest(cohorting, context.req.query());
    return context.json({ by, cohorts: (await economics.cohorts(by, filterOf(asked))).map(cohortJson) });
  });
  app.post("/api/ledger/reprice", async (context) => {
    const { prices, service, ...asked } = await readBody(context, repricing);
    const others = { ...(prices !== undefined && { prices }), ...(service !== undefined && { service }) };
    return context.json(repricedJson(await economics.reprice(others, filterOf(asked))));
  });
  app.post("/api/ledger/what-if", async (context) => {
    const { capacity, demand, against, ...asked } = await readBody(context, asking);
    const more = {
      ...(capacity !== undefined && { capacity }),
      ...(demand !== undefined && { demand }),
      ...(against !== undefined && { against }),
    };
    return context.json(await economics.whatIf({ ...asked, ...more }));
  });
}
