import { millionths } from "./decimal.ts";
import { flat, type PicoUsd, type Rate, type Rates } from "./rates.ts";

/** Decimal US dollars per million tokens, as text, by kind. */
type UsdPerMtok = {
  readonly inputUsdPerMtok: string;
  readonly outputUsdPerMtok: string;
  readonly cachedInputUsdPerMtok?: string;
  readonly cacheWriteUsdPerMtok?: string;
  readonly reasoningUsdPerMtok?: string;
};

/** Prices that an operator states, in decimal US dollars per million tokens, as text. */
export type StatedUsd = UsdPerMtok & {
  /** Charged for every request beside its tokens. */
  readonly requestUsd?: string;
  /** What holds instead, for the kinds it names, where all input of a call is above so many tokens. */
  readonly tiers?: readonly (Partial<UsdPerMtok> & { readonly aboveInputTokens: number })[];
};

/** What the power of an own engine costs, measured at its plug; decimals as text. */
export type EnergyPrice = {
  readonly inputJoulesPerMtok: string;
  readonly outputJoulesPerMtok: string;
  readonly usdPerKwh: string;
};

/** A price that the operator states, which goes before the catalogue's. */
export type OwnPrice =
  /** An own engine: nothing, or what its power costs. */
  | { readonly kind: "local"; readonly energy?: EnergyPrice }
  | (StatedUsd & {
      readonly kind: "stated";
      /** Prices that hold from an instant on, each until the next; before the first, those beside this. */
      readonly changes?: readonly (StatedUsd & { readonly from: string })[];
    });

const PICO_PER_MICRO = 1_000_000n;
/** 3,600,000 joules are a kilowatt hour; a pico-USD a token is a millionth of a USD a Mtok. */
const DIVISOR = 3_600_000n * 1_000_000n;

/** The rates of an own price at a time, or null where a text of it is no decimal, or no instant. */
export function ownRates(own: OwnPrice, at: Date): Rates | null {
  if (own.kind === "local") return own.energy === undefined ? FREE : energyRates(own.energy);
  const changes = (own.changes ?? [])
    .map((change) => ({ change, from: Date.parse(change.from) }))
    .toSorted((left, right) => left.from - right.from);
  if (changes.some(({ from }) => Number.isNaN(from))) return null;
  const last = changes.findLast(({ from }) => from <= at.getTime());
  return last === undefined
    ? statedRates(own, "config")
    : statedRates(last.change, `config from ${last.change.from}`);
}

function statedRates(usd: StatedUsd, source: string): Rates | null {
  const input = stated(usd, "inputUsdPerMtok", null);
  const output = stated(usd, "outputUsdPerMtok", null);
  const cachedInput = stated(usd, "cachedInputUsdPerMtok", input);
  const cacheWrite = stated(usd, "cacheWriteUsdPerMtok", input);
  const reasoning = stated(usd, "reasoningUsdPerMtok", output);
  const request = millionths(usd.requestUsd ?? "0");
  if (input === null || output === null || request === null) return null;
  if (cachedInput === null || cacheWrite === null || reasoning === null) return null;
  const perRequest = (request * PICO_PER_MICRO) as PicoUsd;
  return { input, cachedInput, cacheWrite, output, reasoning, perRequest, source };
}

/** A kind's own price with its tiers; `otherwise` where none is stated for it. */
function stated(usd: StatedUsd, kind: keyof UsdPerMtok, otherwise: Rate | null): Rate | null {
  const base = usd[kind] === undefined ? otherwise?.base : millionths(usd[kind]);
  if (base === undefined || base === null) return null;
  const own = usd.tiers?.filter((tier) => tier[kind] !== undefined) ?? [];
  if (usd[kind] === undefined && own.length === 0) return otherwise;
  const tiers = own
    .map((tier) => ({ above: BigInt(tier.aboveInputTokens), price: millionths(tier[kind] ?? "") }))
    .toSorted((one, other) => (one.above < other.above ? -1 : 1));
  if (tiers.some(({ price }) => price === null)) return null;
  return {
    base: base as PicoUsd,
    tiers: tiers.map(({ above, price }) => ({ above, price: (price ?? 0n) as PicoUsd })),
  };
}

/** Joules a token times dollars a joule, rounded up to the pico-dollar. */
function energyRates(energy: EnergyPrice): Rates | null {
  const kwh = millionths(energy.usdPerKwh);
  const input = millionths(energy.inputJoulesPerMtok);
  const output = millionths(energy.outputJoulesPerMtok);
  if (kwh === null || input === null || output === null) return null;
  const rate = (joules: bigint): Rate => flat((joules * kwh + DIVISOR - 1n) / DIVISOR);
  return { ...sameFor(rate(input), rate(output)), source: `energy at ${energy.usdPerKwh} USD/kWh` };
}

function sameFor(input: Rate, output: Rate): Omit<Rates, "source"> {
  return {
    ...{ input, cachedInput: input, cacheWrite: input, output, reasoning: output },
    perRequest: 0n as PicoUsd,
  };
}

const FREE: Rates = { ...sameFor(flat(0n), flat(0n)), source: "local" };
