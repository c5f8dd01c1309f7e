import { readFileSync } from "node:fs";
import { InputError, messageOf } from "../kernel/index.ts";
import { type Factotum, keptPriceJson, priceLineJson } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { type Command, type Setting, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTable } from "./render-table.ts";
import { renderTime } from "./render-time.ts";
import { who } from "./who.ts";

/** When a price begins, and why it is stated. */
export type Stating = { readonly from?: Date; readonly because: string };

type Kept = Awaited<ReturnType<Factotum["prices"]["history"]>>;

const right = (title: string) => ({ title, align: "right" as const });
const left = (title: string) => ({ title });

/** Shows what every configured model costs now. */
export function pricesCommand(): Command {
  return (setting) =>
    withFactotum(setting, async ({ prices }) => {
      const models = (await prices.list()).map(priceLineJson);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ models });
      else if (models.length === 0) terminal.out("no model is configured");
      else {
        const rows = models.map(({ model, price, because }) => [
          ...[cleanLine(model), ...costs(price?.live), ...costs(price?.batch)],
          cleanLine(price?.source ?? because ?? "-"),
        ]);
        const kinds = ["input", "cached", "output"];
        const columns = [...kinds, ...kinds.map((kind) => `batch ${kind}`)].map(right);
        terminal.out(renderTable([left("model"), ...columns, left("read from")], rows, terminal));
      }
      return exitCodes.ok;
    });
}

type Price = NonNullable<ReturnType<typeof priceLineJson>["price"]>;

function costs(usd: Price["live"] | undefined): readonly string[] {
  if (usd === null || usd === undefined) return ["-", "-", "-"];
  return [usd.inputUsdPerMtok, usd.cachedInputUsdPerMtok, usd.outputUsdPerMtok];
}

/** Lists what was stated at run time, with who stated it, when, and why. */
export function priceHistoryCommand(model: string | undefined): Command {
  return (setting) =>
    withFactotum(setting, async ({ prices }) =>
      show(setting, await prices.history(model), "no price was stated"),
    );
}

/** States the price of one model. */
export function setPriceCommand(model: string, price: object, stating: Stating): Command {
  return (setting) =>
    withFactotum(setting, (factotum) => state(setting, factotum, { [model]: price }, stating));
}

/** States all prices of a file, or none. */
export function importPricesCommand(file: string, stating: Stating): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => state(setting, factotum, readPrices(file), stating));
}

/** Takes back what was stated of a model. */
export function clearPriceCommand(model: string, stating: Stating): Command {
  return (setting) =>
    withFactotum(setting, (factotum) => state(setting, factotum, { [model]: null }, stating));
}

async function state(
  setting: Setting,
  { prices }: Factotum,
  list: unknown,
  { from, because }: Stating,
): Promise<number> {
  const kept = await prices.state({
    ...{ prices: list, because, by: who() },
    ...(from !== undefined && { from }),
  });
  const unknown = prices.unknown([...new Set(kept.map(({ model }) => model))]);
  for (const model of unknown) {
    setting.terminal.note(
      `${cleanLine(model)} is not configured here: a price of it is at work elsewhere alone`,
    );
  }
  return show(setting, kept, "nothing was stated");
}

function show({ terminal }: Setting, kept: Kept, none: string): number {
  if (terminal.json) terminal.result({ prices: kept.map(keptPriceJson) });
  else if (kept.length === 0) terminal.out(none);
  else {
    const rows = kept.map(({ model, version, from, price, by, because }) => [
      ...[cleanLine(model), String(version), renderTime(new Date(from)), ...amounts(price)],
      ...[cleanLine(by), cleanLine(because)],
    ]);
    const columns = [left("model"), right("version"), left("from"), right("input"), right("output")];
    terminal.out(renderTable([...columns, left("by"), left("because")], rows, terminal));
  }
  return exitCodes.ok;
}

function amounts(price: Kept[number]["price"]): readonly string[] {
  if (price === null) return ["taken back", "-"];
  if (price.kind === "stated") return [price.inputUsdPerMtok, price.outputUsdPerMtok];
  return [price.energy === undefined ? "own engine" : "own energy", "-"];
}

/** Prices by model, as a file has them. @throws {InputError} `prices-unreadable` */
export function readPrices(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8")) as unknown;
  } catch (error) {
    const message = `${file}: ${messageOf(error)}; it must be JSON, prices by model`;
    throw new InputError({ code: "prices-unreadable", message, cause: error });
  }
}
