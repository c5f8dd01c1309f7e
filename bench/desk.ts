/**
 * The desk on real notices: `npm run --silent bench:desk -- --data FILE.jsonl [--json] [--dump FILE]`.
 *
 * Every notice goes through the whole desk (run, reader, staged tools, checks, commit) from a fresh
 * business. Three passes over the file: as it is; taught, where each question is answered with what was
 * expected and what was learned is carried over; and both again with carriers and ids replaced and times
 * shifted, to show that nothing was memorised. With `--models`, rungs 2 and 3 use the models that the
 * environment offers; without it no model is asked, whatever the environment holds.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type NoticeRow, parseRows } from "../examples/network-ops/reading/bench-rows.ts";
import { scramble } from "../examples/network-ops/reading/scramble.ts";
import { messageOf } from "factotum/kernel";
import { benchFolder } from "./bench-folder.ts";
import { type Committed, openDesk } from "./desk-business.ts";
import { judge, type Judged, report, type Report } from "./desk-judge.ts";

const USAGE = "usage: npm run bench:desk -- --data FILE.jsonl [--json] [--dump FILE] [--seed N] [--models]";

type PassOptions = { readonly taught: boolean; readonly models: boolean };
type Pass = Report & { readonly dump: readonly Committed[] };

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string" },
      json: { type: "boolean", default: false },
      dump: { type: "string" },
      seed: { type: "string", default: "1" },
      models: { type: "boolean", default: false },
    },
  });
  if (values.data === undefined) throw new Error(USAGE);
  const rows = parseRows(readFileSync(values.data, "utf8"));
  if (rows.length === 0)
    throw new Error(`${values.data} holds no notice; give a file with one JSON object a line`);
  const other = scramble(rows, Number(values.seed));
  const startedAt = performance.now();
  const { models } = values;
  const first = await pass(rows, { taught: false, models });
  const taught = await pass(rows, { taught: true, models });
  const scrambledFirst = await pass(other, { taught: false, models });
  const scrambledTaught = await pass(other, { taught: true, models });
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  if (values.dump !== undefined) {
    const lines = [...first.dump, ...taught.dump].map((row) => JSON.stringify(row));
    writeFileSync(values.dump, `${lines.join("\n")}\n`);
  }
  const scrambled = { ...without(scrambledFirst), taught: without(scrambledTaught) };
  const result = { ...without(first), taught: without(taught), scrambled, seconds };
  console.log(values.json ? JSON.stringify(result) : readable(result));
}

/** One pass over the file on a database of its own, which is deleted afterwards. */
async function pass(rows: readonly NoticeRow[], options: PassOptions): Promise<Pass> {
  const desk = await openDesk(rows, benchFolder(), options.models);
  const judged: Judged[] = [];
  const dump: Committed[] = [];
  try {
    for (const row of rows) {
      const handled = await desk.handle(row, options);
      judged.push(judge(row, handled));
      dump.push(...handled.committed.map((one) => ({ ...one, pass: options.taught ? "taught" : "first" })));
    }
  } finally {
    await desk.close();
  }
  return { ...report(rows, judged), dump };
}

function without({ dump: _dump, ...kept }: Pass): Report {
  return kept;
}

function readable(
  result: Report & { readonly taught: Report; readonly scrambled: Report & { readonly taught: Report } },
): string {
  const line = (name: string, one: Report): string =>
    `${name.padEnd(18)} ${one.notices} notices, ${one.resolved} resolved, ${one.asked} asked, ` +
    `${one.refused} refused, ${one.wrong} wrong, ${one.questions} questions`;
  const carriers = Object.entries(result.perCarrier).map(
    ([name, c]) =>
      `  ${name.padEnd(16)} ${c.resolved}/${c.notices} resolved, ${c.wrong} wrong, ${c.asked} asked`,
  );
  return [
    line("first contact", result),
    line("  undisputed", { ...result, ...result.undisputed }),
    line("taught", result.taught),
    line("  shape taught", { ...result.taught, ...result.taught.shapeTaught }),
    line("scrambled", result.scrambled),
    line("scrambled, taught", result.scrambled.taught),
    ...carriers,
    ...result.wrongCases.map((one) => `wrong: ${JSON.stringify(one)}`),
  ].join("\n");
}

try {
  await main();
} catch (error) {
  console.error(`error: ${messageOf(error)}`);
  process.exitCode = 1;
}
