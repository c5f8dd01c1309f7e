import type { Brand } from "./brand.ts";

/** A run, in the decimal form of its database identity: what a person types after `show`. */
export type RunId = Brand<string, "RunId">;
/** A question put to a person. */
export type QuestionId = Brand<string, "QuestionId">;
/** A change set that was committed. */
export type ChangeSetId = Brand<string, "ChangeSetId">;
/** An effect outside the database, committed or staged. */
export type EffectId = Brand<string, "EffectId">;
/** A model call, made once and settled once; also the idempotency key sent to the provider. */
export type CallId = Brand<string, "CallId">;
/** A model as configured: `provider/model`. */
export type ModelId = Brand<string, "ModelId">;
/** A tenant; a deployment that serves one business has the tenant `default`. */
export type TenantId = Brand<string, "TenantId">;

/** The tenant of a deployment that serves one business. */
export const defaultTenant = "default" as TenantId;

const DECIMAL_ID = /^[1-9][0-9]{0,18}$/;

/** Whether text typed by a person or sent over HTTP has the form of a run, question or change-set id. */
export function isDecimalId(text: string): boolean {
  return DECIMAL_ID.test(text);
}
