/** Room `outbox`: committed effects leave the database: channels, deliverers, dead letters. */
export { type Channel, type Channels, type Delivery, type RetryPlan } from "./channel.ts";
export { drop, resend } from "./dead-letters.ts";
export { type Deliverer, type DelivererOptions, startDeliverer } from "./deliverer.ts";
export { DeliveryError, type DeliveryErrorFields } from "./delivery-error.ts";
export {
  channelsWaitedFor,
  type CommittedEffect,
  countEffects,
  type EffectCount,
  type EffectFilter,
  type EffectState,
  effectStates,
  getEffect,
  listEffects,
} from "./list.ts";
export { readSecret, sign, verifySignature } from "./sign.ts";
export { webhook, type WebhookOptions } from "./webhook.ts";
export { mail, type MailOptions } from "./mail.ts";
