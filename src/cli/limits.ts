import { type Limit, limitJson, type LimitLine } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { type Command, type Setting, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTable } from "./render-table.ts";

/** Options of `limits set`. */
export type Bounds = { readonly atOnce?: number; readonly perMinute?: number };

type Which = Pick<Limit, "kind" | "name">;

/** Lists what all workers together take up. */
export function limitsCommand(): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      show(await factotum.limits(), setting);
      return exitCodes.ok;
    });
}

/** Puts a limit, or lifts it where there are no bounds: at work in every process at once. */
export function changeLimitCommand(which: Which, bounds: Bounds | undefined): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const { terminal } = setting;
      const before = (await factotum.limits()).find((one) => isOf(one, which));
      if (bounds !== undefined) await factotum.setLimit({ ...which, ...bounds });
      else if (!(await factotum.liftLimit(which))) {
        terminal.note(`there is no limit on ${which.kind} ${cleanLine(which.name)}`);
      }
      if ((before?.declaredBy ?? null) !== null) {
        terminal.note("the configuration declares it: that comes back when a worker starts");
      }
      show(await factotum.limits(), setting);
      return exitCodes.ok;
    });
}

function isOf(line: LimitLine, { kind, name }: Which): boolean {
  return line.kind === kind && line.name === name;
}

function show(lines: readonly LimitLine[], { terminal }: Setting): void {
  if (terminal.json) return terminal.result({ limits: lines.map(limitJson) });
  const columns = ["limit on", "name", "at once", "a minute", "said by"].map((title) => ({ title }));
  const rows = lines.map(({ kind, name, atOnce, perMinute, declaredBy }) => [
    ...[kind, cleanLine(name), bound(atOnce), bound(perMinute)],
    declaredBy === null ? "a person" : "the configuration",
  ]);
  terminal.out(lines.length === 0 ? "no limit" : renderTable(columns, rows, terminal));
}

function bound(value: number | undefined): string {
  return value === undefined ? "any" : String(value);
}
