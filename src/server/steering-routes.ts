import type { Hono } from "hono";
import { z } from "zod";
import { defaultTenant, microUsd, type TenantId } from "../kernel/index.ts";
import { NUDGE_CHARS_MAX } from "../inbox/index.ts";
import type { Factotum } from "./factotum.ts";
import { plainText, parseRequest, readBody } from "./http-body.ts";
import { parseQuestionId, parseRunId } from "./parse-id.ts";
import { instructionJson, nudgeJson, questionJson } from "./wire.ts";

const NAME_CHARS_MAX = 200;
const by = plainText.min(1).max(NAME_CHARS_MAX).default("http");

const json = z.json();
const newAnswer = z.strictObject({
  choice: plainText,
  calls: z.array(z.strictObject({ tool: plainText, input: json })).optional(),
  note: plainText.optional(),
  by,
});
const newNudge = z.strictObject({
  text: plainText.max(NUDGE_CHARS_MAX).default(""),
  always: z.boolean().default(false),
  skip: z.boolean().default(false),
  interrupt: z.boolean().default(false),
  budgetMicroUsd: z
    .string()
    .regex(/^\d{1,18}$/, "whole millionths of a dollar, as text")
    .optional(),
  by,
});
const wording = z.strictObject({ text: plainText.max(NUDGE_CHARS_MAX), by });
const newInstruction = wording.extend({
  agent: plainText.min(1).max(NAME_CHARS_MAX),
  tenant: plainText.min(1).max(NAME_CHARS_MAX).default(defaultTenant),
});
const withdrawing = z.strictObject({ by });
const instructionId = z.string().regex(/^[1-9]\d{0,17}$/, "the number of an instruction");

/** What these routes are called. */
export const STEERING_ROUTES: readonly string[] = [
  "GET /api/questions?person=",
  "GET /api/questions/:id",
  "POST /api/questions/:id/answer {choice, calls?, note?, by?}",
  "GET /api/runs/:id/nudges",
  "POST /api/runs/:id/nudges {text?, always?, skip?, budgetMicroUsd?, interrupt?, by?}",
  "GET /api/instructions?agent=&tenant=",
  "POST /api/instructions {agent, tenant?, text, by?}",
  "PUT /api/instructions/:id {text, by?}",
  "DELETE /api/instructions/:id {by?}",
  "GET and POST /answer/:token (a person's link), POST /hooks/answer (a chat tool's signed call)",
];

/** Questions and answers, nudges, and what agents are always told. */
export function steeringRoutes(app: Hono, factotum: Factotum): void {
  app.get("/api/questions", async (context) => {
    const person = parseRequest(plainText.optional(), context.req.query("person"));
    const open = await factotum.inbox(person === undefined ? {} : { person });
    return context.json({ questions: open.map(questionJson) });
  });
  app.get("/api/questions/:id", async (context) =>
    context.json(questionJson(await factotum.question(parseQuestionId(context.req.param("id"))))),
  );
  app.post("/api/questions/:id/answer", async (context) => {
    const id = parseQuestionId(context.req.param("id"));
    const { choice, calls, note, by: who } = await readBody(context, newAnswer);
    const given = { choice, by: who, ...(calls && { calls }), ...(note !== undefined && { note }) };
    return context.json(questionJson(await factotum.answer(id, { ...given, via: "http" })));
  });
  app.get("/api/runs/:id/nudges", async (context) => {
    const said = await factotum.nudges(parseRunId(context.req.param("id")));
    return context.json({ nudges: said.map(nudgeJson) });
  });
  app.post("/api/runs/:id/nudges", async (context) => {
    const id = parseRunId(context.req.param("id"));
    const { budgetMicroUsd, ...said } = await readBody(context, newNudge);
    const budget = budgetMicroUsd === undefined ? {} : { budget: microUsd(BigInt(budgetMicroUsd)) };
    return context.json(nudgeJson(await factotum.nudge(id, { ...said, ...budget })), 201);
  });
  instructionRoutes(app, factotum);
}

function instructionRoutes(app: Hono, factotum: Factotum): void {
  app.get("/api/instructions", async (context) => {
    const agent = parseRequest(plainText.optional(), context.req.query("agent"));
    const tenant = parseRequest(plainText.optional(), context.req.query("tenant"));
    const standing = await factotum.instructions({
      ...(agent !== undefined && { agent }),
      ...(tenant !== undefined && { tenant: tenant as TenantId }),
    });
    return context.json({ instructions: standing.map(instructionJson) });
  });
  app.post("/api/instructions", async (context) => {
    const { agent, tenant, ...said } = await readBody(context, newInstruction);
    const made = await factotum.instruct({ agent, tenant: tenant as TenantId }, said);
    return context.json(instructionJson(made), 201);
  });
  app.put("/api/instructions/:id", async (context) => {
    const id = parseRequest(instructionId, context.req.param("id"));
    return context.json(
      instructionJson(await factotum.editInstruction(id, await readBody(context, wording))),
    );
  });
  app.delete("/api/instructions/:id", async (context) => {
    const id = parseRequest(instructionId, context.req.param("id"));
    const { by: who } = await readBody(context, withdrawing);
    return context.json(instructionJson(await factotum.withdrawInstruction(id, who)));
  });
}
