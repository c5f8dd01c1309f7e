/** The made-up business that the example runs on. */
export {
  type Business,
  type BusinessCarrier,
  type BusinessCircuit,
  type BusinessDevice,
  type BusinessFreeze,
  type BusinessGroup,
  type BusinessSite,
  type BusinessTicket,
  FREEZE_DAYS,
  makeBusiness,
} from "./business.ts";
export { CARRIER_SHAPES, type CarrierName, CARRIERS, type IdShapes, SITES } from "./names.ts";
export { makeRandom, type Random } from "./random.ts";
export { type Seeded, seedBusiness } from "./seed.ts";
export { clockChangeAfter, inZone, type LocalWindow, nightAfter, utc } from "./times.ts";
