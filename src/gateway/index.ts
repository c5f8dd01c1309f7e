/** Room `gateway`: any model behind one address that keeps nothing of what is said through it. */
export { type Gateway, type GatewayOptions, type Offer, openGateway } from "./gateway.ts";
export {
  type Key,
  type KeyId,
  type KeyTerms,
  listKeys,
  makeKey,
  type Random,
  revokeKey,
  rotateKey,
} from "./keys.ts";
export type { Aliases } from "./targets.ts";
export { type PhaseLimits, phaseLimits } from "./upstreams.ts";
