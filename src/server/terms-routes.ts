import type { Hono } from "hono";
import { z } from "zod";
import { parseRequest, plainText } from "./http-body.ts";
import type { TermsDoor } from "./terms.ts";
import { tracedLineJson } from "./terms-wire.ts";

const NAME_CHARS_MAX = 500;

const name = plainText.min(1).max(NAME_CHARS_MAX);
const when = z.object({ at: name.optional(), knownAt: name.optional() });
const serving = when.extend({ model: name, cloud: name, api: name, region: name });
const lineNumber = z.coerce.number().int().min(1);

/** What agreements and invoices add to the list of routes. */
export const TERMS_ROUTES: readonly string[] = [
  "GET /api/terms/agreements/:name?at=&knownAt=",
  "GET /api/terms/agreements/:name/owed/:period?knownAt=",
  "GET /api/terms/events/:id (a fact that a settlement's line names)",
  "GET /api/terms/may-serve?model=&cloud=&api=&region=&at=&knownAt=",
  "GET /api/terms/invoices/:subscription/:period?knownAt=",
  "GET /api/terms/invoices/:subscription/:period/lines/:number?knownAt= (its facts and usage events)",
];

/** Adds the routes of agreements and invoices. */
export function termsRoutes(app: Hono, terms: TermsDoor): void {
  app.get("/api/terms/agreements/:name", async (context) => {
    const agreement = parseRequest(name, context.req.param("name"));
    return context.json(await terms.show(agreement, whenOf(context.req.query())));
  });
  app.get("/api/terms/agreements/:name/owed/:period", async (context) => {
    const agreement = parseRequest(name, context.req.param("name"));
    const period = parseRequest(name, context.req.param("period"));
    return context.json(await terms.owed(agreement, period, whenOf(context.req.query()).knownAt));
  });
  app.get("/api/terms/events/:id", async (context) =>
    context.json(await terms.event(parseRequest(name, context.req.param("id")))),
  );
  app.get("/api/terms/may-serve", async (context) => {
    const { model, cloud, api, region } = parseRequest(serving, context.req.query());
    const asked = { model, channel: { cloud, api, region } };
    return context.json(await terms.mayServe({ ...asked, ...whenOf(context.req.query()) }));
  });
  app.get("/api/terms/invoices/:subscription/:period", async (context) => {
    const subscription = parseRequest(name, context.req.param("subscription"));
    const period = parseRequest(name, context.req.param("period"));
    return context.json(await terms.invoice(subscription, period, whenOf(context.req.query()).knownAt));
  });
  app.get("/api/terms/invoices/:subscription/:period/lines/:number", async (context) => {
    const subscription = parseRequest(name, context.req.param("subscription"));
    const period = parseRequest(name, context.req.param("period"));
    const number = parseRequest(lineNumber, context.req.param("number"));
    const { knownAt } = whenOf(context.req.query());
    return context.json(tracedLineJson(await terms.invoiceLine(subscription, period, number, knownAt)));
  });
}

function whenOf(query: Record<string, string>): { readonly at?: string; readonly knownAt?: string } {
  const { at, knownAt } = parseRequest(when, query);
  return { ...(at !== undefined && { at }), ...(knownAt !== undefined && { knownAt }) };
}
