import type { Hono } from "hono";
import { z } from "zod";
import { parseRequest, plainText, readBody } from "./http-body.ts";
import type { PricesDoor } from "./prices.ts";
import { keptPriceJson, priceLineJson } from "./prices-wire.ts";

const TEXT_CHARS_MAX = 500;

const text = plainText.min(1).max(TEXT_CHARS_MAX);
const listed = z.strictObject({
  prices: z.record(z.string(), z.unknown()),
  from: z.iso.datetime({ offset: true }).optional(),
  because: text.default("stated over HTTP"),
  by: text.default("http"),
});

/** What prices add to the list of routes. */
export const PRICES_ROUTES: readonly string[] = [
  "GET /api/prices (what every configured model costs now)",
  "GET /api/prices/history?model=",
  "PUT /api/prices {prices: {MODEL: {inputUsdPerMtok, …, from?} | null}, from?, because?, by?}",
];

/** Adds the routes of prices. */
export function pricesRoutes(app: Hono, prices: PricesDoor): void {
  app.get("/api/prices", async (context) =>
    context.json({ models: (await prices.list()).map(priceLineJson) }),
  );
  app.get("/api/prices/history", async (context) => {
    const model = parseRequest(text.optional(), context.req.query("model"));
    return context.json({ prices: (await prices.history(model)).map(keptPriceJson) });
  });
  app.put("/api/prices", async (context) => {
    const { from, ...list } = await readBody(context, listed);
    const kept = await prices.state({ ...list, ...(from !== undefined && { from: new Date(from) }) });
    const unknown = prices.unknown([...new Set(kept.map(({ model }) => model))]);
    return context.json({ prices: kept.map(keptPriceJson), notConfiguredHere: unknown });
  });
}
