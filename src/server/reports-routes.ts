import type { Hono } from "hono";
import { z } from "zod";
import { parseRequest, plainText, readBody } from "./http-body.ts";
import { exportFormats, exportKinds } from "./export-costs.ts";
import { filterOf, filtering } from "./ledger-routes.ts";
import type { ReportsDoor } from "./reports.ts";
import { keptLineJson, reconciliationJson } from "./reports-wire.ts";

const NAME_CHARS_MAX = 200;
const FILES_MAX = 100;

const instant = z.iso.datetime({ offset: true });
const reconciling = z.strictObject({
  files: z
    .array(z.strictObject({ name: plainText.min(1).max(NAME_CHARS_MAX), text: plainText }))
    .min(1)
    .max(FILES_MAX),
  endpoints: z.array(plainText.min(1).max(NAME_CHARS_MAX)).optional(),
  covers: z.strictObject({ from: instant, to: instant }).optional(),
  keep: z.boolean().default(false),
});

const exporting = filtering.extend({
  as: z.enum(exportKinds).default("focus"),
  format: z.enum(exportFormats).default("csv"),
});
const TYPES = { csv: "text/csv; charset=utf-8", parquet: "application/vnd.apache.parquet" } as const;

/** What reports add to the list of routes. */
export const REPORTS_ROUTES: readonly string[] = [
  "POST /api/ledger/reconcile {files: [{name, text}], endpoints?, covers?: {from, to}, keep?}",
  "GET /api/ledger/billed?call=",
  "GET /api/ledger/export?as=focus|entries&format=csv|parquet&run=&agent=&tenant=&from=&to=",
];

/** Adds the routes of reports. */
export function reportsRoutes(app: Hono, reports: ReportsDoor): void {
  app.post("/api/ledger/reconcile", async (context) => {
    const { files, endpoints, covers, keep } = await readBody(context, reconciling);
    const found = await reports.reconcile(files, {
      keep,
      ...(endpoints !== undefined && { endpoints }),
      ...(covers !== undefined && { covers: { from: new Date(covers.from), to: new Date(covers.to) } }),
    });
    return context.json(reconciliationJson(found));
  });
  app.get("/api/ledger/export", async (context) => {
    const { as, format, ...asked } = parseRequest(exporting, context.req.query());
    const { bytes, violations } = await reports.export(as, format, filterOf(asked));
    return context.body(new Uint8Array(bytes), 200, {
      ...{ "content-type": TYPES[format], "content-disposition": `attachment; filename="${as}.${format}"` },
      "x-focus-violations": String(violations.length),
    });
  });
  app.get("/api/ledger/billed", async (context) => {
    const call = parseRequest(plainText.min(1).max(NAME_CHARS_MAX), context.req.query("call"));
    return context.json({ call, lines: (await reports.billed(call)).map(keptLineJson) });
  });
}
