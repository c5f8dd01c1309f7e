import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { InputError } from "../kernel/index.ts";
import { HttpError } from "./http-errors.ts";

/** Where the API listens, and the token it demands. */
export type Binding = { readonly host: string; readonly port: number; readonly token?: string };

const LOOPBACK_NAMES: readonly string[] = ["localhost", "127.0.0.1", "::1"];
const WILDCARDS: readonly string[] = ["0.0.0.0", "::"];

/**
 * Refuses an address that would open the API to others without a token.
 *
 * @throws {InputError} `token-missing`, `port-invalid`
 */
export function checkBinding({ host, port, token }: Binding): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InputError({ code: "port-invalid", message: `port ${port} is not a number from 0 to 65535` });
  }
  if (LOOPBACK_NAMES.includes(bare(host)) || (token !== undefined && token !== "")) return;
  throw new InputError({
    code: "token-missing",
    message:
      `${host} can be reached by others, so the API needs a token there: ` +
      `set FACTOTUM_TOKEN to a long random text, or listen on 127.0.0.1`,
  });
}

/**
 * Lets a request through only if it was meant for this server: its Host is a loopback name or the
 * configured one (a page that rebinds its DNS name to us has another), it does not come from another
 * site's page, it carries the token where one is set, and a write is JSON, which no HTML form can send.
 * On a wildcard address any Host is right, and the token, always there, is what keeps pages out.
 */
export function guard({ host, token }: Binding): MiddlewareHandler {
  const names = new Set([...LOOPBACK_NAMES, bare(host)]);
  const anyHost = WILDCARDS.includes(bare(host));
  return async (context, next) => {
    const named = context.req.header("host") ?? "";
    if (!anyHost && !names.has(hostName(named))) {
      throw new HttpError(
        403,
        "host-refused",
        `this server does not answer for the host name ${printable(named)}`,
      );
    }
    if (isCrossSite(context.req.header("origin"), context.req.header("sec-fetch-site"), named)) {
      throw new HttpError(403, "origin-refused", "requests from other sites' pages are not answered");
    }
    if (token !== undefined && token !== "" && !carries(context.req.header("authorization"), token)) {
      throw new HttpError(401, "token-refused", "send the header: Authorization: Bearer <FACTOTUM_TOKEN>");
    }
    if (isWrite(context.req.method) && !isJson(context.req.header("content-type"))) {
      throw new HttpError(415, "json-required", "send the body as Content-Type: application/json");
    }
    await next();
  };
}

function isCrossSite(origin: string | undefined, site: string | undefined, host: string): boolean {
  if (site === "cross-site" || site === "same-site") return true;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** Compares digests, so that neither content nor length of the token shows in the time taken. */
function carries(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(given), digest(token));
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
const isWrite = (method: string): boolean => !["GET", "HEAD", "OPTIONS"].includes(method);
const isJson = (type: string | undefined): boolean => /^application\/json\s*(?:;|$)/i.test(type ?? "");
const bare = (host: string): string => host.replace(/^\[|\]$/g, "").toLowerCase();
const printable = (text: string): string => JSON.stringify(text.slice(0, 100));

/** The name in a Host header, without port and brackets. */
function hostName(header: string): string {
  return bare(header.replace(/:[0-9]*$/, ""));
}
