import type { Hono } from "hono";
import { z } from "zod";
import { parseRequest, plainText } from "./http-body.ts";
import type { LedgerDoor } from "./ledger-door.ts";
import { accountJson, auditJson, postingJson } from "./ledger-wire.ts";

const POSTINGS_DEFAULT = 100;
const POSTINGS_MAX = 1_000;
const NAME_CHARS_MAX = 500;

const name = plainText.min(1).max(NAME_CHARS_MAX);
const filtering = z.object({ account: name.optional(), unit: name.optional() });
const paging = filtering.extend({
  after: z
    .string()
    .regex(/^(entry|transfer) \d{1,18}$/, "of and id of a posting, such as: entry 17")
    .optional(),
  limit: z.coerce.number().int().min(1).max(POSTINGS_MAX).default(POSTINGS_DEFAULT),
});

/** What double entry adds to the list of routes. */
export const ACCOUNTS_ROUTES: readonly string[] = [
  "GET /api/ledger/accounts?account=&unit=",
  "GET /api/ledger/trial-balance (and kept balances that are not what was booked)",
  "GET /api/ledger/postings?account=&unit=&after=&limit=",
];

/** Adds the routes of double entry. */
export function accountsRoutes(app: Hono, ledger: LedgerDoor): void {
  app.get("/api/ledger/accounts", async (context) => {
    const filter = filterFrom(parseRequest(filtering, context.req.query()));
    return context.json({ accounts: (await ledger.accounts(filter)).map(accountJson) });
  });
  app.get("/api/ledger/trial-balance", async (context) =>
    context.json(auditJson(await ledger.trialBalance())),
  );
  app.get("/api/ledger/postings", async (context) => {
    const { after, limit, ...asked } = parseRequest(paging, context.req.query());
    const page = { limit, ...(after !== undefined && { after }) };
    return context.json({ postings: (await ledger.postings(filterFrom(asked), page)).map(postingJson) });
  });
}

function filterFrom({ account, unit }: z.output<typeof filtering>) {
  return { ...(account !== undefined && { account }), ...(unit !== undefined && { unit }) };
}
