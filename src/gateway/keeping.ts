import type { IncomingHttpHeaders } from "node:http";
import { KEPT_SECONDS_MAX, type KeyRecord } from "./keys.ts";
import type { Refusal, Surface } from "./surfaces.ts";
import { askedIn } from "./translate/translate.ts";

/** Whether an answer may be kept, and one that is kept be given. */
export type Keeping =
  | { readonly kind: "no" }
  | { readonly kind: "keep"; readonly seconds: number }
  | { readonly kind: "refused"; readonly refusal: Refusal };

const NO: Keeping = { kind: "no" };
const WISH = /^(\d{1,6})( *; *effects)?$/;

/** What is wished by `x-factotum-cache`: `SECONDS`, `SECONDS; effects` or `off`, else by the key. */
export function keepingOf(
  headers: IncomingHttpHeaders,
  { cacheSeconds }: KeyRecord,
  surface: Surface,
  body: Buffer,
): Keeping {
  const wish = headers["x-factotum-cache"];
  if (wish === undefined && cacheSeconds === null) return NO;
  if (wish === "off" || !surface.billed) return NO;
  const [, stated, effects] = typeof wish === "string" ? (WISH.exec(wish) ?? []) : [];
  const seconds = wish === undefined ? cacheSeconds : Number(stated);
  if (seconds === null || !(seconds >= 1 && seconds <= KEPT_SECONDS_MAX)) {
    return { kind: "refused", refusal: WISH_REFUSED };
  }
  return effects === undefined && mayHaveEffects(body) ? NO : { kind: "keep", seconds };
}

const WISH_REFUSED: Refusal = {
  ...{ status: 400, code: "cache_wish_invalid" },
  message: `x-factotum-cache is off, or seconds up to ${KEPT_SECONDS_MAX}, such as 600 or 600; effects`,
};

/** Tools that are run by whoever names them. Any other is run by the provider, and may do something. */
const CALLERS_TOOLS: ReadonlySet<unknown> = new Set([undefined, "function", "custom"]);
const DOING = ["web_search_options", "mcp_servers", "container", "background"] as const;

function mayHaveEffects(body: Buffer): boolean {
  const asked = askedIn(body);
  if (asked === null) return true;
  if (DOING.some((name) => asked[name] !== undefined && asked[name] !== null)) return true;
  const { tools } = asked;
  if (tools === undefined || tools === null) return false;
  if (!Array.isArray(tools)) return true;
  return tools.some((tool: unknown) => !CALLERS_TOOLS.has(Reflect.get(Object(tool), "type")));
}
