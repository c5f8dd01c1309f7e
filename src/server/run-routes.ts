import type { Hono } from "hono";
import { z } from "zod";
import type { ModelId } from "../kernel/index.ts";
import { limitKinds } from "../runs/index.ts";
import type { Factotum } from "./factotum.ts";
import { plainText, parseRequest, readBody, readText } from "./http-body.ts";
import { parseRunId } from "./parse-id.ts";
import { comparisonJson, limitJson, scheduleJson, stepJson, workerJson } from "./run-wire.ts";

const NAME_CHARS_MAX = 200;
const BECAUSE_CHARS_MAX = 2_000;
const whose = { by: plainText.min(1).max(NAME_CHARS_MAX).default("http") };
const holding = z.strictObject(whose);
const cancelling = z.strictObject({
  ...whose,
  because: plainText.min(1).max(BECAUSE_CHARS_MAX).optional(),
  keep: z.boolean().default(false),
});

const forking = z.strictObject({
  ...whose,
  at: z.number().int().min(0),
  model: plainText.min(1).max(NAME_CHARS_MAX).optional(),
  instruction: plainText.min(1).max(BECAUSE_CHARS_MAX).optional(),
  answer: plainText.min(1).max(NAME_CHARS_MAX).optional(),
  commit: z.boolean().default(false),
});
const STEPS_MAX = 1_000;
const STEP_MAX = 1_000_000_000;
const paging = z.object({
  after: z.coerce.number().int().min(0).max(STEP_MAX).default(0),
  limit: z.coerce.number().int().min(1).max(STEPS_MAX).default(STEPS_MAX),
});
const limited = z.object({ kind: z.enum(limitKinds), name: plainText.min(1).max(NAME_CHARS_MAX) });
const bounds = z.strictObject({ atOnce: z.number().optional(), perMinute: z.number().optional() });

/** What the API says of them. */
export const RUN_ROUTES: readonly string[] = [
  "GET /api/runs/:id/steps?after=&limit=",
  "POST /api/runs/:id/cancel {because?, keep?, by?}",
  "POST /api/runs/:id/pause {by?}",
  "POST /api/runs/:id/resume {by?}",
  "POST /api/runs/:id/retry {by?}",
  "POST /api/runs/:id/fork {at, model?, instruction?, answer?, commit?, by?}",
  "GET /api/runs/:id/compare/:other",
  "GET /api/schedules",
  "GET /api/workers",
  "GET /api/limits",
  "PUT /api/limits/:kind/:name {atOnce?, perMinute?} (kind: tenant, agent or provider)",
  "DELETE /api/limits/:kind/:name",
  "POST /hooks/:name (a webhook, signed as Standard Webhooks says; no token)",
];

/** Runs under way, schedules, and webhooks that start runs. */
export function runRoutes(app: Hono, factotum: Factotum): void {
  app.post("/api/runs/:id/cancel", async (context) => {
    const id = parseRunId(context.req.param("id"));
    const { by, keep, because } = await readBody(context, cancelling);
    const how = { by, keep, ...(because !== undefined && { because }) };
    return context.json({ cancelled: await factotum.cancel(id, how) });
  });
  app.get("/api/runs/:id/steps", async (context) => {
    const { after, limit } = parseRequest(paging, context.req.query());
    const page = { after: BigInt(after), limit };
    const steps = await factotum.steps(parseRunId(context.req.param("id")), page);
    return context.json({ steps: steps.map(stepJson) });
  });
  for (const doing of ["pause", "resume", "retry"] as const) {
    app.post(`/api/runs/:id/${doing}`, async (context) => {
      const id = parseRunId(context.req.param("id"));
      const { by } = await readBody(context, holding);
      await factotum[doing](id, by);
      return context.json({ runId: id, [doing]: true });
    });
  }
  app.get("/api/schedules", async (context) =>
    context.json({ schedules: (await factotum.schedules()).map(scheduleJson) }),
  );
  limitRoutes(app, factotum);
  app.post("/api/runs/:id/fork", async (context) => {
    const id = parseRunId(context.req.param("id"));
    const { model, instruction, answer, ...order } = await readBody(context, forking);
    const fork = await factotum.fork(id, {
      ...order,
      ...(model !== undefined && { model: model as ModelId }),
      ...(instruction !== undefined && { instruction }),
      ...(answer !== undefined && { answer }),
    });
    return context.json({ id: fork.id, from: id, at: order.at, rehearses: !order.commit }, 201);
  });
  app.get("/api/runs/:id/compare/:other", async (context) => {
    const { id, other } = context.req.param();
    return context.json(comparisonJson(await factotum.compare(parseRunId(id), parseRunId(other))));
  });
  app.get("/api/workers", async (context) =>
    context.json({ workers: (await factotum.workers()).map(workerJson) }),
  );
}

function limitRoutes(app: Hono, factotum: Factotum): void {
  const list = async () => ({ limits: (await factotum.limits()).map(limitJson) });
  app.get("/api/limits", async (context) => context.json(await list()));
  app.put("/api/limits/:kind/:name", async (context) => {
    const which = parseRequest(limited, context.req.param());
    const { atOnce, perMinute } = await readBody(context, bounds);
    await factotum.setLimit({
      ...which,
      ...(atOnce !== undefined && { atOnce }),
      ...(perMinute !== undefined && { perMinute }),
    });
    return context.json(await list());
  });
  app.delete("/api/limits/:kind/:name", async (context) => {
    const which = parseRequest(limited, context.req.param());
    return context.json({ lifted: await factotum.liftLimit(which) });
  });
}

/** Webhooks are let in by their signature alone, so they stand before the guard of the API. */
export function hookRoutes(app: Hono, factotum: Factotum): void {
  app.post("/hooks/:name", async (context) => {
    const headers = { get: (name: string) => context.req.header(name) };
    const request = { headers, text: await readText(context) };
    const taken = await factotum.hook(context.req.param("name"), request);
    return context.json(taken, taken.created ? 201 : 200);
  });
}
