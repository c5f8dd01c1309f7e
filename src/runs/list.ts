import type { RunId, TenantId } from "../kernel/index.ts";
import { RunError } from "./errors.ts";
import { type Reader, type Run, runColumns, runOf, type RunRow, type RunStatus, runStatuses } from "./run.ts";

/** Which runs; every part given must hold. */
export type RunFilter = {
  readonly tenant?: TenantId;
  readonly agent?: string;
  readonly status?: RunStatus | readonly RunStatus[];
  readonly outcome?: string;
  readonly key?: string;
  readonly ids?: readonly RunId[];
};

/** A page of runs: newest first unless told otherwise. */
export type RunPage = RunFilter & {
  /** Most rows; 100 by default, 1,000 at most. */
  readonly limit?: number;
  /** The last run of the page before. */
  readonly after?: RunId;
  readonly order?: "newest" | "oldest";
};

/** How many runs stand where; `outcomes` splits those that are done. */
export type RunCounts = Readonly<Record<RunStatus, number>> & {
  readonly total: number;
  readonly outcomes: Readonly<Record<string, number>>;
};

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;

/**
 * One run; with `lock`, which needs a transaction, no turn of it begins before that ends.
 *
 * @throws {RunError} `run-unknown`
 */
export async function getRun(tx: Reader, id: RunId, options: { readonly lock?: boolean } = {}): Promise<Run> {
  const lock = options.lock === true ? "for no key update" : "";
  const { rows } = await tx.query<RunRow>(`select ${runColumns} from factotum.runs r where id = $1 ${lock}`, [
    id,
  ]);
  if (rows[0] !== undefined) return runOf(rows[0]);
  throw new RunError({
    code: "run-unknown",
    retry: "never",
    runId: id,
    message: `there is no run ${id}; list the runs there are with: factotum runs`,
  });
}

/** Runs that the filter lets through, page by page. */
export async function listRuns(tx: Reader, page: RunPage = {}): Promise<readonly Run[]> {
  const newest = page.order !== "oldest";
  const { where, values } = condition(page);
  const limit = Math.min(page.limit ?? LIMIT_DEFAULT, LIMIT_MAX);
  const { rows } = await tx.query<RunRow>(
    `select ${runColumns} from factotum.runs r
     where ${where} and ($7::bigint is null or id ${newest ? "<" : ">"} $7)
     order by id ${newest ? "desc" : "asc"} limit $8`,
    [...values, page.after ?? null, limit],
  );
  return rows.map(runOf);
}

/** How many runs stand where. */
export async function countRuns(tx: Reader, filter: RunFilter = {}): Promise<RunCounts> {
  const { where, values } = condition(filter);
  const { rows } = await tx.query<{ status: RunStatus; outcome: string | null; count: string }>(
    `select status, outcome, count(*) from factotum.runs where ${where} group by status, outcome`,
    values,
  );
  const of = (status: RunStatus): number => sum(rows.filter((row) => row.status === status));
  const perStatus = Object.fromEntries(runStatuses.map((status) => [status, of(status)]));
  const outcomes = rows.flatMap((row) =>
    row.outcome === null ? [] : [[row.outcome, Number(row.count)] as const],
  );
  return {
    ...(perStatus as Record<RunStatus, number>),
    total: sum(rows),
    outcomes: Object.fromEntries(outcomes),
  };
}

function sum(rows: readonly { readonly count: string }[]): number {
  return rows.reduce((total, row) => total + Number(row.count), 0);
}

function condition(filter: RunFilter): { readonly where: string; readonly values: readonly unknown[] } {
  const status = typeof filter.status === "string" ? [filter.status] : filter.status;
  return {
    where: `($1::text is null or tenant = $1) and ($2::text is null or agent = $2)
      and ($3::text[] is null or status = any ($3)) and ($4::text is null or outcome = $4)
      and ($5::text is null or key = $5) and ($6::bigint[] is null or id = any ($6))`,
    values: [
      filter.tenant ?? null,
      filter.agent ?? null,
      status ?? null,
      filter.outcome ?? null,
      filter.key ?? null,
      filter.ids ?? null,
    ],
  };
}
