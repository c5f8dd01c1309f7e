import { type Compared, type Comparison, comparisonJson, parseRunId } from "../server/index.ts";
import type { ModelId } from "../kernel/index.ts";
import { cleanLine } from "./clean-text.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderMoney } from "./render-money.ts";
import { renderTable } from "./render-table.ts";
import type { Terminal } from "./terminal.ts";
import { who } from "./who.ts";

/** Options of `fork`. */
export type ForkOptions = {
  readonly at: number;
  readonly model?: string;
  readonly instruction?: string;
  readonly answer?: string;
  readonly commit: boolean;
};

const STEPS_SHOWN_MAX = 40;
const STEP_CHARS_MAX = 60;
const CHANGE_CHARS_MAX = 300;

/** Goes through a run once more, from one of its steps on. */
export function forkCommand(run: string, { model, ...options }: ForkOptions): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const order = { ...options, ...(model !== undefined && { model: model as ModelId }), by: who() };
      const fork = await factotum.fork(id, order);
      const { terminal } = setting;
      const rehearses = !options.commit;
      if (terminal.json) terminal.result({ id: fork.id, from: id, at: options.at, rehearses });
      else {
        terminal.out(`run ${fork.id} goes on from step ${options.at} of run ${id}`);
        if (rehearses) terminal.note("a rehearsal: it is verified and not committed; --commit commits");
        terminal.note(`once a worker has done it: factotum compare ${id} ${fork.id}`);
      }
      return exitCodes.ok;
    });
  };
}

/** Lays two runs side by side. */
export function compareCommand(a: string, b: string): Command {
  return (setting) => {
    const ids = [parseRunId(a), parseRunId(b)] as const;
    return withFactotum(setting, async (factotum) => {
      const compared = await factotum.compare(...ids);
      const { terminal } = setting;
      if (terminal.json) terminal.result(comparisonJson(compared));
      else terminal.out(renderComparison(compared, terminal));
      return exitCodes.ok;
    });
  };
}

function renderComparison(
  { runs, firstDifference, steps, changes }: Comparison,
  drawing: Pick<Terminal, "framed" | "paint">,
): string {
  const [a, b] = runs;
  const line = (title: string, of: (one: Compared) => string): readonly string[] => [title, of(a), of(b)];
  const columns = ["", `run ${a.id}`, `run ${b.id}`].map((title) => ({ title }));
  const facts = [
    line("came to", (one) => one.disposition ?? "not over"),
    line("model", (one) => cleanLine(one.model ?? "none")),
    line("rows", (one) => String(one.rows)),
    line("cost", (one) => renderMoney(one.cost)),
    line("tokens", (one) => String(one.tokens)),
    line("value", (one) => renderMoney(one.value)),
    line("took", (one) => `${one.tookMs} ms`),
    line("not passed", (one) =>
      cleanLine(
        one.verdicts
          .filter((each) => each.kind !== "pass")
          .map((each) => each.check)
          .join(", "),
      ),
    ),
  ];
  const text = (step: Comparison["steps"][number]["a"]): string =>
    step === null ? "" : cleanLine(`${step.kind} ${JSON.stringify(step.data)}`, STEP_CHARS_MAX);
  const shown = steps
    .slice(0, STEPS_SHOWN_MAX)
    .map(({ seq, a: one, b: other }) => [...[String(seq), text(one), text(other)]]);
  const more = steps.length > shown.length ? [`and ${steps.length - shown.length} steps more`] : [];
  const same = changes.length === 0 ? ["their latest attempts staged the same"] : [];
  return [
    renderTable(columns, facts, drawing),
    firstDifference === null ? "no step differs" : `step ${firstDifference} is the first that differs`,
    ...(shown.length === 0 ? [] : [renderTable(columns.with(0, { title: "step" }), shown, drawing)]),
    ...more,
    ...same,
    ...changes.map((one) => cleanLine(one, CHANGE_CHARS_MAX)),
  ].join("\n");
}
