import type { Refusal } from "../surfaces.ts";
import type { FileRecord } from "./file-store.ts";

/** As OpenAI keeps files of batches. */
export const EXPIRY_SECONDS_DEFAULT = 2_592_000;
const EXPIRY_SECONDS_MIN = 3_600;
const EXPIRY_SECONDS_MAX = 2_592_000;

/** Seconds after which a file expires, as a client states it; null for what is no such statement. */
export function expiryOf(stated: { readonly anchor?: unknown; readonly seconds?: unknown }): number | null {
  const { anchor, seconds } = stated;
  const isTime = typeof seconds === "number" && Number.isSafeInteger(seconds);
  if (anchor !== "created_at" || !isTime) return null;
  return seconds >= EXPIRY_SECONDS_MIN && seconds <= EXPIRY_SECONDS_MAX ? seconds : null;
}

/** A request that is at fault itself. */
export function badRequest(code: string, message: string, field?: string): Refusal {
  return { status: 400, code, message, ...(field !== undefined && { field }) };
}

/** A file as OpenAI's API tells of it. */
export function fileObject(file: FileRecord): object {
  return {
    ...{ object: "file", id: file.id, purpose: file.purpose, filename: file.name, bytes: file.bytes },
    ...{ created_at: file.madeAt, expires_at: file.expiresAt, status: "processed", status_details: null },
  };
}

/** A page of a list as OpenAI's API tells of it. @param found one more than `limit` where there is more */
export function listObject<T extends { readonly id: string }>(
  found: readonly T[],
  limit: number,
  shaped: (one: T) => object,
): object {
  const data = found.slice(0, limit);
  return {
    ...{ object: "list", data: data.map(shaped) },
    ...{ first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: found.length > limit },
  };
}
