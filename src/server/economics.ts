import { InputError } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import {
  type CohortKey,
  type CohortMonth,
  cohorts,
  type Leverage,
  leverage,
  ownDemand,
  type PersonTime,
} from "../reports/index.ts";
import { type OwnPrice, reprice, type RepricedModel, type Service } from "../ledger/index.ts";
import { datedPricesOf, parsePrices } from "../models/index.ts";
import { breakEven, type CostShape, costOfUnits, type Demand, type WhatIf, whatIf } from "../terms/index.ts";
import type { LedgerFilter } from "./ledger-door.ts";

/** What other prices are played through with. */
export type WhatIfQuestion = {
  readonly prices: readonly string[];
  readonly costs: CostShape;
  readonly capacity?: string;
  /** Another way to serve the same, such as an index beside a model that each query calls. */
  readonly against?: CostShape;
  /** How usage answers to price; without it, by the own data of the filter, piecewise. */
  readonly demand?: Demand;
};

/** What an hour of a person comes to, how cohorts fare, and what other prices would come to. */
export type EconomicsDoor = {
  leverage(time: PersonTime, filter?: LedgerFilter): Promise<Leverage>;
  cohorts(by: CohortKey, filter?: LedgerFilter): Promise<readonly CohortMonth[]>;
  /**
   * What calls would have cost at other prices; nothing that is booked changes.
   *
   * @param asked.prices by model, as `factotum prices import` reads them; none where it is left out
   * @param asked.service as if all had been served live, or as batches
   * @throws {InputError} `prices-invalid`, `price-invalid`
   */
  reprice(
    asked: { readonly prices?: unknown; readonly service?: Service },
    filter?: LedgerFilter,
  ): Promise<readonly RepricedModel[]>;
  whatIf(question: WhatIfQuestion, filter?: LedgerFilter): Promise<WhatIfAnswer>;
};

/** Prices played through, and beside them another way to serve as much. */
type WhatIfAnswer = {
  readonly demand: Demand;
  readonly outcomes: readonly WhatIf[];
  /** From how many units on the first way is no dearer, and what the other costs at each price. */
  readonly against: {
    readonly noDearer: "always" | "never" | { readonly fromUnits: string };
    readonly costs: readonly string[];
  } | null;
};

const DECIMAL = /^\d{1,15}(\.\d{1,9})?$/;

/** Makes the door. */
export function makeEconomicsDoor(db: Database): EconomicsDoor {
  return {
    leverage: async (time, filter = {}) => {
      for (const [name, text] of Object.entries(time)) {
        if (DECIMAL.test(text)) continue;
        const message = `${name} is ${JSON.stringify(text)}; write a number of 0 or more, such as 1.5`;
        throw new InputError({ code: "number-invalid", message });
      }
      return leverage(db, time, filter);
    },
    reprice: ({ prices, service }, filter = {}) => {
      const others = {
        ...(prices !== undefined && { prices: pricesFrom(prices) }),
        ...(service !== undefined && { service }),
      };
      const options = { isolation: "repeatable read", readOnly: true } as const;
      return db.transaction((tx) => reprice(tx, others, filter), options);
    },
    cohorts: (by, filter = {}) => cohorts(db, by, filter),
    whatIf: async ({ prices, costs, capacity, against, ...asked }, filter = {}) => {
      const demand = asked.demand ?? { kind: "piecewise", points: await ownDemand(db, filter) };
      const outcomes = whatIf(demand, prices, costs, capacity);
      if (against === undefined) return { demand, outcomes, against: null };
      const found = breakEven(costs, against);
      const noDearer = found.kind === "from" ? { fromUnits: String(found.units) } : found.kind;
      return {
        ...{ demand, outcomes },
        against: { noDearer, costs: outcomes.map(({ served }) => costOfUnits(against, served)) },
      };
    },
  };
}

/** Prices of a file; one that begins at no instant holds from ever on. */
function pricesFrom(given: unknown): ReadonlyMap<string, OwnPrice> {
  const ever = new Date(0).toISOString();
  return new Map(
    [...parsePrices(given)].map(([model, one]) => {
      const versions = datedPricesOf(one).map(({ from, price }, at) => ({
        ...{ version: at + 1, from: from ?? ever, price },
      }));
      return [model, { kind: "versions", versions }];
    }),
  );
}
