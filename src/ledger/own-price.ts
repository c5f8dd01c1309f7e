import { millionths } from "./decimal.ts";
import { type BesideRates, flat, type KindRates, type PicoUsd, type Rate, type Rates } from "./rates.ts";

/** Decimal US dollars per million tokens, as text, by kind. */
type UsdPerMtok = {
  readonly inputUsdPerMtok: string;
  readonly outputUsdPerMtok: string;
  readonly cachedInputUsdPerMtok?: string;
  readonly cacheWriteUsdPerMtok?: string;
  readonly reasoningUsdPerMtok?: string;
};

type TieredUsd = UsdPerMtok & {
  /** What holds instead, for the kinds it names, where all input of a call is above so many tokens. */
  readonly tiers?: readonly (Partial<UsdPerMtok> & { readonly aboveInputTokens: number })[];
};

/** Prices that an operator states, in decimal US dollars per million tokens, as text. */
export type StatedUsd = TieredUsd & {
  /** Charged for every request beside its tokens. */
  readonly requestUsd?: string;
  /** What the provider's batch service charges; without it, no call of that service is made. */
  readonly batch?: TieredUsd;
  /** Of a cache that is kept for an hour; without it, a call with a budget may not ask for one. */
  readonly longCacheWriteUsdPerMtok?: string;
  /** Of sound; without them, it costs what text does. */
  readonly audioInputUsdPerMtok?: string;
  readonly audioOutputUsdPerMtok?: string;
  /** A use of each tool that the provider runs: `{ web_search: "0.01", mcp: "0" }`. */
  readonly toolUsd?: Readonly<Record<string, string>>;
  /** What calls cost that say `service_tier: "flex"`, without it as batches do, or `"priority"`. */
  readonly flex?: TieredUsd;
  readonly priority?: TieredUsd;
};

/** What the power of an own engine costs, measured at its plug; decimals as text. */
export type EnergyPrice = {
  readonly inputJoulesPerMtok: string;
  readonly outputJoulesPerMtok: string;
  readonly usdPerKwh: string;
};

/** A price as a configuration states it. */
export type PlainPrice =
  /** An own engine: nothing, or what its power costs. */
  | { readonly kind: "local"; readonly energy?: EnergyPrice }
  | (StatedUsd & {
      readonly kind: "stated";
      /** Prices that hold from an instant on, each until the next; before the first, those beside this. */
      readonly changes?: readonly (StatedUsd & { readonly from: string })[];
    });

/** One price that was stated at run time; null where it took back what had been stated before. */
export type PriceVersion = {
  /** From 1, for each model. */
  readonly version: number;
  /** An instant from which it holds, until the next. */
  readonly from: string;
  readonly price: PlainPrice | null;
};

/** A price that the operator states, which goes before the catalogue's. */
export type OwnPrice =
  | PlainPrice
  /** Stated at run time; `otherwise` holds before the first, and where the last takes back. */
  | {
      readonly kind: "versions";
      readonly versions: readonly PriceVersion[];
      readonly otherwise?: PlainPrice;
    };

const PICO_PER_MICRO = 1_000_000n;
/** 3,600,000 joules are a kilowatt hour; a pico-USD a token is a millionth of a USD a Mtok. */
const DIVISOR = 3_600_000n * 1_000_000n;

/** What was stated for a time, with where it was, or null where nothing was. */
export function ownAt(
  own: OwnPrice | undefined,
  at: Date,
): { readonly price: PlainPrice; readonly source: string } | null {
  if (own?.kind !== "versions") return own === undefined ? null : { price: own, source: "config" };
  const last = own.versions
    .filter(({ from }) => Date.parse(from) <= at.getTime())
    .toSorted((one, other) => Date.parse(one.from) - Date.parse(other.from) || one.version - other.version)
    .at(-1);
  if (last?.price != null) return { price: last.price, source: `version ${last.version} from ${last.from}` };
  return own.otherwise === undefined ? null : { price: own.otherwise, source: "config" };
}

/** The rates of a stated price at a time, or null where a text of it is no decimal, or no instant. */
export function ownRates(own: PlainPrice, at: Date, source = "config"): Rates | null {
  if (own.kind === "local") return own.energy === undefined ? FREE : energyRates(own.energy);
  const changes = (own.changes ?? [])
    .map((change) => ({ change, from: Date.parse(change.from) }))
    .toSorted((left, right) => left.from - right.from);
  if (changes.some(({ from }) => Number.isNaN(from))) return null;
  const last = changes.findLast(({ from }) => from <= at.getTime());
  return last === undefined
    ? statedRates(own, source)
    : statedRates(last.change, `${source} from ${last.change.from}`);
}

function statedRates(usd: StatedUsd, source: string): Rates | null {
  const kinds = statedKinds(usd);
  const other = usd.batch === undefined ? undefined : statedKinds(usd.batch);
  const request = millionths(usd.requestUsd ?? "0");
  const beside = statedBeside(usd);
  if (kinds === null || other === null || request === null || beside === null) return null;
  const perRequest = (request * PICO_PER_MICRO) as PicoUsd;
  return { ...kinds, perRequest, source, ...(other !== undefined && { other }), beside };
}

function statedBeside(usd: StatedUsd): BesideRates | null {
  const one = (text: string | undefined): Rate | null | undefined => {
    const price = text === undefined ? undefined : millionths(text);
    return price === undefined || price === null ? price : flat(price);
  };
  const kinds = (of: TieredUsd | undefined) => (of === undefined ? undefined : statedKinds(of));
  const uses = Object.entries(usd.toolUsd ?? {}).map(([tool, text]) => [tool, millionths(text)] as const);
  const found = {
    longWrite: one(usd.longCacheWriteUsdPerMtok),
    audioInput: one(usd.audioInputUsdPerMtok),
    audioOutput: one(usd.audioOutputUsdPerMtok),
    ...{ flex: kinds(usd.flex), priority: kinds(usd.priority) },
  };
  if (Object.values(found).includes(null) || uses.some(([, price]) => price === null)) return null;
  const known = Object.entries(found).filter(([, rate]) => rate !== undefined);
  return {
    ...(Object.fromEntries(known) as Omit<BesideRates, "uses">),
    uses: Object.fromEntries(
      uses.map(([tool, price]) => [tool, ((price ?? 0n) * PICO_PER_MICRO) as PicoUsd]),
    ),
  };
}

function statedKinds(usd: TieredUsd): KindRates | null {
  const input = stated(usd, "inputUsdPerMtok", null);
  const output = stated(usd, "outputUsdPerMtok", null);
  const cachedInput = stated(usd, "cachedInputUsdPerMtok", input);
  const cacheWrite = stated(usd, "cacheWriteUsdPerMtok", input);
  const reasoning = stated(usd, "reasoningUsdPerMtok", output);
  if (input === null || output === null) return null;
  if (cachedInput === null || cacheWrite === null || reasoning === null) return null;
  return { input, cachedInput, cacheWrite, output, reasoning };
}

/** A kind's own price with its tiers; `otherwise` where none is stated for it. */
function stated(usd: TieredUsd, kind: keyof UsdPerMtok, otherwise: Rate | null): Rate | null {
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
  const source = `energy at ${energy.usdPerKwh} USD/kWh`;
  return { ...sameFor(rate(input), rate(output)), source, energy: { input, output } };
}

/** An engine of one's own costs the same whenever it answers. */
function sameFor(input: Rate, output: Rate): Omit<Rates, "source"> {
  const kinds = { input, cachedInput: input, cacheWrite: input, output, reasoning: output };
  return { ...kinds, perRequest: 0n as PicoUsd, other: kinds, beside: "nothing" };
}

const FREE: Rates = { ...sameFor(flat(0n), flat(0n)), source: "local" };
