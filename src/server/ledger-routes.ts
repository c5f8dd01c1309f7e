import type { Hono } from "hono";
import { z } from "zod";
import { marginKeys } from "../agents/index.ts";
import { isDecimalId, type RunId } from "../kernel/index.ts";
import { type EntryId, parseUsd } from "../ledger/index.ts";
import { parseRequest, plainText, readBody } from "./http-body.ts";
import type { LedgerDoor, LedgerFilter } from "./ledger-door.ts";
import { budgetJson, entryJson, ledgerJson, marginJson } from "./ledger-wire.ts";

const ENTRIES_DEFAULT = 100;
const ENTRIES_MAX = 1_000;
const NAME_CHARS_MAX = 500;

const decimalId = z.string().refine(isDecimalId, "the number of a run or entry");
/** Which part of the ledger a request asks about. */
export const filtering = z.object({
  run: decimalId.optional(),
  agent: plainText.optional(),
  tenant: plainText.optional(),
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
});
const paging = filtering.extend({
  after: decimalId.optional(),
  limit: z.coerce.number().int().min(1).max(ENTRIES_MAX).default(ENTRIES_DEFAULT),
});
const telling = filtering.extend({ by: z.enum(marginKeys).default("agent") });
const usd = plainText.max(40);
const newBudget = z.strictObject({
  name: plainText.min(1).max(NAME_CHARS_MAX),
  capUsd: usd.nullable().optional(),
  softUsd: usd.nullable().optional(),
  beyondSoft: z.enum(["warn", "degrade"]).optional(),
  period: z.enum(["ever", "hour", "day", "month"]).optional(),
});

/** What the ledger adds to the list of routes. */
export const LEDGER_ROUTES: readonly string[] = [
  "GET /api/ledger?run=&agent=&tenant=&from=&to=",
  "GET /api/ledger/entries?run=&agent=&tenant=&from=&to=&after=&limit=",
  "GET /api/ledger/margins?by=query|run|outcome|agent|tenant|model|rung&…",
  "GET /api/ledger/budgets?below=",
  "PUT /api/ledger/budgets {name, capUsd?, softUsd?, beyondSoft?, period?} (null takes a limit away)",
];

/** Adds the routes of the ledger. */
export function ledgerRoutes(app: Hono, ledger: LedgerDoor): void {
  app.get("/api/ledger", async (context) => {
    const asked = parseRequest(filtering, context.req.query());
    return context.json(ledgerJson(await ledger.summary(filterOf(asked))));
  });
  app.get("/api/ledger/entries", async (context) => {
    const { after, limit, ...asked } = parseRequest(paging, context.req.query());
    const page = { limit, ...(after !== undefined && { after: after as EntryId }) };
    const entries = await ledger.entries(filterOf(asked), page);
    return context.json({ entries: entries.map(entryJson) });
  });
  app.get("/api/ledger/margins", async (context) => {
    const { by, ...asked } = parseRequest(telling, context.req.query());
    return context.json({ by, margins: (await ledger.margins(by, filterOf(asked))).map(marginJson) });
  });
  app.get("/api/ledger/budgets", async (context) => {
    const below = parseRequest(plainText.optional(), context.req.query("below"));
    return context.json({ budgets: (await ledger.budgets(below)).map(budgetJson) });
  });
  app.put("/api/ledger/budgets", async (context) => {
    const { name, capUsd, softUsd, beyondSoft, period } = await readBody(context, newBudget);
    const terms = {
      ...(capUsd !== undefined && { cap: capUsd === null ? null : parseUsd(capUsd) }),
      ...(softUsd !== undefined && { soft: softUsd === null ? null : parseUsd(softUsd) }),
      ...(beyondSoft !== undefined && { beyondSoft }),
      ...(period !== undefined && { period }),
    };
    return context.json(budgetJson(await ledger.setBudget(name, terms)));
  });
}

/** A request's part of the ledger, as the door takes it. */
export function filterOf({ run, agent, tenant, from, to }: z.output<typeof filtering>): LedgerFilter {
  return {
    ...(run !== undefined && { runId: run as RunId }),
    ...(agent !== undefined && { agent }),
    ...(tenant !== undefined && { tenant }),
    ...(from !== undefined && { from: new Date(from) }),
    ...(to !== undefined && { to: new Date(to) }),
  };
}
