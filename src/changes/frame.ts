import { type AgentRole, searchPath } from "./agent-role.ts";
import type { ApplyStatement } from "./apply.ts";
import type { Answer, Statement } from "./pipeline.ts";
import { setLocal } from "./settings.ts";
import { CAPTURED, EVENTS_MAX } from "./witness.ts";

/** What staged work is begun with. */
type Arming = {
  readonly settings: Readonly<Record<string, string>>;
  readonly tenant: string | undefined;
  readonly rowsMax: number;
  /** Oids of the tables that may be written. */
  readonly tables: readonly string[];
};

/** A statement, and how many rows it must touch. */
type Put = { readonly statement: Statement; readonly rows?: number };

/** The statements around staged work: plain ones on a connection of ours, definer functions on an agent's. */
export type Frame = {
  /** Puts rows of the base in. */
  put(applied: readonly ApplyStatement[], replica: boolean): readonly Put[];
  /** How many rows the answer to one of them says were touched. */
  touched(answer: Answer | undefined): number | null;
  /** Takes the pill, with the settings that the work starts under; answers `xid`. */
  arm(arming: Arming): Statement;
  readonly captured: Statement;
};

/** On our own connection. */
export const ownFrame: Frame = {
  put: (applied, replica) => {
    const puts = applied.map((statement): Put => ({ statement, rows: statement.rows }));
    return replica ? [switched("replica"), ...puts, switched("origin")] : puts;
  },
  touched: (answer) => answer?.rowCount ?? null,
  arm: ({ settings, tenant, rowsMax, tables }) => ({
    text: `with pill as (insert into factotum.staging (tenant, rows_max, counted_before)
        values ($1, $2, factotum.count_written($3)))
      select ${setLocal(settings)}, pg_catalog.pg_current_xact_id()::text as xid`,
    values: [tenant ?? null, rowsMax, tables],
  }),
  captured: CAPTURED,
};

function switched(role: "replica" | "origin"): Put {
  return { statement: { text: `set local session_replication_role = ${role}` } };
}

/** On a connection logged in as an agent. */
export function agentFrame(role: AgentRole): Frame {
  return {
    put: (applied, replica) =>
      applied.map(({ text, values = [], rows }) => ({
        statement: {
          text: "select factotum.staging_apply($1, $2, $3, $4, $5) as touched",
          values: [role.key, text, replica, values[0] ?? null, values[1] ?? null],
        },
        rows,
      })),
    touched: (answer) => {
      const touched = answer?.rows[0]?.["touched"];
      return touched === undefined ? null : Number(touched);
    },
    arm: ({ settings, tenant, rowsMax, tables }) => ({
      text: `select ${setLocal({ ...settings, search_path: searchPath(role) })},
        factotum.staging_arm($1, $2, $3, $4) as xid`,
      values: [role.key, tenant ?? null, rowsMax, tables],
    }),
    captured: {
      text: "select c.oid, c.before, c.after from factotum.staging_captured($1, $2) c",
      values: [role.key, EVENTS_MAX + 1],
    },
  };
}
