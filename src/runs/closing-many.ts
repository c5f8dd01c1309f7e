/** Ends of turns of different runs in one statement. */
import type { Prepared } from "../postgres/index.ts";
import { closedColumns, type Closing, closingColumns, closingTerms } from "./closing.ts";

/**
 * Closings of different runs in one statement; it answers those that were written, each once. Others are not
 * as their holder knows them, or are locked by someone: those are skipped, not waited for, since they may be
 * locked for long, and one who waits while holding the others could wait in a circle.
 */
export function together(closings: readonly Closing[]): Prepared {
  return closings.every(goesOn) ? goingOn(closings) : endingSome(closings);
}

/**
 * Whether nothing but state and counters changes. Most turns are such, and a statement that sets neither
 * status nor worker looks at no trigger's condition: each is read anew from its text by every statement.
 */
function goesOn({ hold, end }: Closing): boolean {
  return end.kind === "continue" && end.provider === undefined && hold.worker !== null;
}

/** For each column, the values of all closings. */
function columnsOf(closings: readonly Closing[], names: readonly string[]): (string | Date | null)[][] {
  const places = names.map((name) => Object.keys(closingColumns).indexOf(name));
  return places.map((at) => closings.map(({ values }) => values[at] ?? null));
}

function stepCounts(closings: readonly Closing[]): number[] {
  return closings.map(({ steps }) => steps[0].length);
}

/** Steps of all closings, one array for each of: run, place among the turn's, kind, attempt, data. */
function stepsOf(closings: readonly Closing[]): readonly (readonly unknown[])[] {
  const each = closings.flatMap(({ hold, steps: [kinds, attempts, data] }) =>
    kinds.map((kind, n) => [hold.run.id, n + 1, kind, attempts[n] ?? null, data[n] ?? null] as const),
  );
  return [0, 1, 2, 3, 4].map((at) => each.map((step) => step[at]));
}

/**
 * The closings whose rows are as asked and not locked by anyone: those are locked here, and then written
 * where they lie. Looked up one by one and not joined, so that no plan reads the whole table, whatever it was
 * when the plan was made: each connection keeps its plans, and its first ones may be of an empty table.
 *
 * @param given the closings as `g`
 * @param asked what their rows `r` must be
 */
function lockedSql(given: string, asked: string): string {
  return `locked as materialized (
      select g.*, r.place from ${given}
      cross join lateral (
        select l.ctid as place, l.* from factotum.runs l where l.id = g.id
        for no key update skip locked) r
      where ${asked})`;
}

/** @param first the number of the first parameter of the steps */
function writtenSql(first: number): string {
  const [run, place, kind, attempt, data] = [0, 1, 2, 3, 4].map((n) => `$${first + n}`);
  return `written as (
      insert into factotum.steps (run_id, seq, kind, attempt, data, at)
      select o.id, o.steps_before + s.place, s.kind, s.attempt, s.data, o.updated_at
      from o join unnest(${run}::bigint[], ${place}::bigint[], ${kind}::text[],
        ${attempt}::integer[], ${data}::json[]) as s (run_id, place, kind, attempt, data)
        on s.run_id = o.id)`;
}

const goingOnColumns = ["id", "fence", "worker", "version", "state"] as const;

function goingOn(closings: readonly Closing[]): Prepared {
  const columns = columnsOf(closings, goingOnColumns);
  return { ...closingGoingOn, values: [...columns, stepCounts(closings), ...stepsOf(closings)] };
}

const closingGoingOn = {
  name: "factotum.turn.close-going-on",
  text: `with ${lockedSql(
    `unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::integer[])
        as g (id, fence, worker, version, state, step_count)`,
    "r.fence = g.fence and r.worker = g.worker and r.version = g.version",
  )},
    o as (
      update factotum.runs r set
        state = coalesce(g.state::json, r.state), because = null, wake_at = null,
        version = r.version + 1, steps = r.steps + g.step_count, failures = 0, retry_at = null,
        updated_at = (select factotum.now())
      from locked g where r.ctid = g.place and r.fence = g.fence and r.version = g.version
      returning r.id, ${closedColumns("r")}, r.steps - g.step_count as steps_before),
    ${writtenSql(goingOnColumns.length + 2)}
    select id, ${closedColumns("o")}, false as let_go from o`,
};

function endingSome(closings: readonly Closing[]): Prepared {
  const columns = columnsOf(closings, Object.keys(closingColumns));
  return { ...closingMany, values: [...columns, stepCounts(closings), ...stepsOf(closings)] };
}

function closingManySql(): string {
  const arrays = Object.values(closingColumns).map((type, at) => `$${at + 1}::${type}[]`);
  const names = Object.keys(closingColumns);
  const first = arrays.length + 1;
  const terms = closingTerms((column) => `g.${column}`, "g.step_count");
  const given = `unnest(${arrays.join(", ")}, $${first}::integer[]) as g (${names.join(", ")}, step_count)`;
  return `with ${lockedSql(given, terms.where)},
    o as (
      update factotum.runs r set ${terms.set}
      from locked g where r.ctid = g.place and ${terms.where}
      returning ${terms.returning}, r.steps - g.step_count as steps_before),
    ${writtenSql(first + 1)}
    select id, ${closedColumns("o")}, let_go from o`;
}

const closingMany = { name: "factotum.turn.close-many", text: closingManySql() };
