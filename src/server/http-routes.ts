import { randomUUID } from "node:crypto";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { jsonbText, type TenantId } from "../kernel/index.ts";
import { type EffectState, effectStates } from "../outbox/index.ts";
import { runStatuses } from "../runs/index.ts";
import type { Factotum } from "./factotum.ts";
import { plainText, parseRequest, readBody } from "./http-body.ts";
import { type Binding, guard } from "./http-guard.ts";
import { errorReply } from "./http-errors.ts";
import { listTools } from "./list-tools.ts";
import { mcpRoutes } from "./mcp-http.ts";
import { LEDGER_ROUTES, ledgerRoutes } from "./ledger-routes.ts";
import { ACCOUNTS_ROUTES, accountsRoutes } from "./accounts-routes.ts";
import { ECONOMICS_ROUTES, economicsRoutes } from "./economics-routes.ts";
import { REPORTS_ROUTES, reportsRoutes } from "./reports-routes.ts";
import { PRICES_ROUTES, pricesRoutes } from "./prices-routes.ts";
import { TERMS_ROUTES, termsRoutes } from "./terms-routes.ts";
import { linkRoutes } from "./link-routes.ts";
import { hookRoutes, RUN_ROUTES, runRoutes } from "./run-routes.ts";
import type { WorkOrder } from "./orders.ts";
import { parseEffectId, parseRunId } from "./parse-id.ts";
import { STEERING_ROUTES, steeringRoutes } from "./steering-routes.ts";
import { blameJson, effectJson, runJson, saidJson, storyJson, summaryJson } from "./wire.ts";

const LIST_DEFAULT = 100;
const LIST_MAX = 1_000;
const NAME_CHARS_MAX = 200;

/** A run keeps its input as it is sent, but what its agent makes of it is text in Postgres. */
const fitting = z
  .json()
  .refine(
    (value) => jsonbText(value) === JSON.stringify(value),
    "must be well-formed text without NUL characters",
  );
const listing = z.object({
  status: z.enum(runStatuses as [string, ...string[]]).optional(),
  agent: plainText.optional(),
  tenant: plainText.optional(),
  limit: z.coerce.number().int().min(1).max(LIST_MAX).default(LIST_DEFAULT),
});
const newRun = z.strictObject({
  agent: plainText,
  key: plainText.min(1).max(NAME_CHARS_MAX).optional(),
  input: fitting,
  tenant: plainText.min(1).max(NAME_CHARS_MAX).optional(),
  priority: z.int32().optional(),
  at: z.iso.datetime({ offset: true }).optional(),
  deadline: z.iso.datetime({ offset: true }).optional(),
});
const RUNS_MAX = 10_000;
const newRuns = z.strictObject({ runs: z.array(newRun).min(1).max(RUNS_MAX) });
const KEY_COLUMNS_MAX = 32;
const blaming = z.object({
  table: plainText.min(1).max(NAME_CHARS_MAX),
  key: z.array(plainText).min(1).max(KEY_COLUMNS_MAX),
});
const undoing = z.strictObject({ by: plainText.min(1).max(NAME_CHARS_MAX).default("http") });

const MESSAGE_CHARS_MAX = 20_000;
const newMessage = z.strictObject({
  text: plainText.max(MESSAGE_CHARS_MAX).default(""),
  ends: z.boolean().default(false),
  key: plainText.min(1).max(NAME_CHARS_MAX).optional(),
  by: plainText.min(1).max(NAME_CHARS_MAX).default("http"),
});
const reading = z.object({
  after: z
    .string()
    .regex(/^\d{1,18}$/, "the id of a message")
    .optional(),
});

const ROUTES: readonly string[] = [
  "GET /api/health",
  "GET /api/summary?agent=",
  "GET /api/runs?status=&agent=&tenant=&limit=",
  "GET /api/runs/:id",
  "POST /api/runs {agent, key?, input, tenant?, priority?, at?, deadline?}",
  "POST /api/runs/many {runs: [{agent, key?, input, …}, …]} (all of them or none)",
  "POST /api/runs/:id/undo {by?}",
  "GET /api/runs/:id/messages?after=",
  "POST /api/runs/:id/messages {text, ends?, key?, by?}",
  "GET /api/tools?agent=",
  "GET /api/blame?table=&key= (a key of several columns: key= for each, in order)",
  "GET /api/outbox?state=&channel=&limit=",
  "GET /api/outbox/:id",
  "POST /api/outbox/:id/resend {by?}",
  "POST /api/outbox/:id/drop {by?}",
  ...RUN_ROUTES,
  ...LEDGER_ROUTES,
  ...REPORTS_ROUTES,
  ...ACCOUNTS_ROUTES,
  ...ECONOMICS_ROUTES,
  ...PRICES_ROUTES,
  ...TERMS_ROUTES,
  "GET /api/questions",
  "GET /api/questions/:id",
  "POST /api/questions/:id/answer {choice, calls?, note?, by?}",
  ...STEERING_ROUTES,
  "POST /mcp or /mcp/:agent (Model Context Protocol, streamable HTTP)",
];

const outboxListing = z.object({
  state: z.enum(effectStates as [EffectState, ...EffectState[]]).optional(),
  channel: plainText.optional(),
  limit: z.coerce.number().int().min(1).max(LIST_MAX).default(LIST_DEFAULT),
});

/** The HTTP API over a project, as one function from request to response; it opens no socket. */
export function makeRoutes(factotum: Factotum, binding: Binding, say: (line: string) => void): Hono {
  const app = new Hono();
  linkRoutes(app, factotum);
  app.onError((error, context) => {
    const reply = errorReply(error);
    if (reply.status >= 500) say(`${context.req.method} ${context.req.path}: ${error.message}`);
    return context.json(reply.body, reply.status);
  });
  hookRoutes(app, factotum);
  app.use("*", guard(binding));
  app.notFound((context) => {
    const message = `there is no ${context.req.method} ${context.req.path}; GET /api lists what there is`;
    return context.json({ error: { code: "route-unknown", message } }, 404);
  });
  app.get("/api", (context) => context.json({ name: factotum.config.name, routes: ROUTES }));
  readRoutes(app, factotum);
  outboxRoutes(app, factotum.outbox);
  ledgerRoutes(app, factotum.ledger);
  reportsRoutes(app, factotum.reports);
  accountsRoutes(app, factotum.ledger);
  economicsRoutes(app, factotum.economics);
  pricesRoutes(app, factotum.prices);
  termsRoutes(app, factotum.terms);
  writeRoutes(app, factotum);
  steeringRoutes(app, factotum);
  runRoutes(app, factotum);
  mcpRoutes(app, factotum, say);
  return app;
}

function readRoutes(app: Hono, factotum: Factotum): void {
  app.get("/api/health", async (context) => {
    await factotum.db.query("select 1");
    return context.json({ ok: true, name: factotum.config.name });
  });
  app.get("/api/summary", async (context) =>
    context.json(summaryJson(await factotum.summary(agentOf(context)))),
  );
  app.get("/api/runs", async (context) => {
    const { status, agent, tenant, limit } = parseRequest(listing, context.req.query());
    const lines = await factotum.listRuns({
      ...(status !== undefined && { status: status as (typeof runStatuses)[number] }),
      ...(agent !== undefined && { agent }),
      ...(tenant !== undefined && { tenant: tenant as TenantId }),
      limit,
    });
    return context.json({ runs: lines.map(runJson) });
  });
  app.get("/api/runs/:id", async (context) =>
    context.json(storyJson(await factotum.showRun(parseRunId(context.req.param("id"))))),
  );
  app.get("/api/runs/:id/messages", async (context) => {
    const { after } = parseRequest(reading, context.req.query());
    const said = await factotum.messages(parseRunId(context.req.param("id")), after);
    return context.json({ messages: said.map(saidJson) });
  });
  app.get("/api/tools", async (context) =>
    context.json({ tools: await listTools(factotum, agentOf(context)) }),
  );
  app.get("/api/blame", async (context) => {
    const asked = { table: context.req.query("table"), key: context.req.queries("key") };
    const { table, key } = parseRequest(blaming, asked);
    return context.json({ changes: (await factotum.blame(table, key)).map(blameJson) });
  });
}

function outboxRoutes(app: Hono, outbox: Factotum["outbox"]): void {
  app.get("/api/outbox", async (context) => {
    const { state, channel, limit } = parseRequest(outboxListing, context.req.query());
    const wanted = { ...(state !== undefined && { state }), ...(channel !== undefined && { channel }) };
    return context.json({ effects: (await outbox.list({ ...wanted, limit })).map(effectJson) });
  });
  app.get("/api/outbox/:id", async (context) =>
    context.json(effectJson(await outbox.get(parseEffectId(context.req.param("id"))))),
  );
  for (const how of ["resend", "drop"] as const) {
    app.post(`/api/outbox/:id/${how}`, async (context) => {
      const id = parseEffectId(context.req.param("id"));
      const { by } = await readBody(context, undoing);
      return context.json(effectJson(await outbox[how](id, by)));
    });
  }
}

function writeRoutes(app: Hono, factotum: Factotum): void {
  app.post("/api/runs", async (context) => {
    const started = await factotum.start(orderOf(await readBody(context, newRun)));
    return context.json(startedJson(started), started.created ? 201 : 200);
  });
  app.post("/api/runs/many", async (context) => {
    const { runs } = await readBody(context, newRuns);
    const started = await factotum.startMany(runs.map(orderOf));
    return context.json({ runs: started.map(startedJson) }, started.some((one) => one.created) ? 201 : 200);
  });
  app.post("/api/runs/:id/undo", async (context) => {
    const id = parseRunId(context.req.param("id"));
    const { by } = await readBody(context, undoing);
    return context.json({ undone: await factotum.undo(id, by) });
  });
  app.post("/api/runs/:id/messages", async (context) => {
    const id = parseRunId(context.req.param("id"));
    const { key, ...said } = await readBody(context, newMessage);
    const kept = await factotum.say(id, { ...said, ...(key !== undefined && { key }) });
    return context.json(saidJson(kept), 201);
  });
}

function orderOf({ key = randomUUID(), at, deadline, ...order }: z.infer<typeof newRun>): WorkOrder {
  const { agent, input, tenant, priority } = order;
  return {
    ...{ agent, key, input },
    ...(tenant !== undefined && { tenant: tenant as TenantId }),
    ...(priority !== undefined && { priority }),
    ...(at !== undefined && { at: new Date(at) }),
    ...(deadline !== undefined && { deadline: new Date(deadline) }),
  };
}

function startedJson({ run, created }: Awaited<ReturnType<Factotum["start"]>>) {
  return { id: run.id, key: run.key, created };
}

function agentOf(context: Context): string | undefined {
  return parseRequest(plainText.optional(), context.req.query("agent"));
}
