import type { ClientBase } from "pg";
import { must } from "../kernel/index.ts";
import type { ChangeSet } from "./change-set.ts";
import { MAY_REPLICATE } from "./known.ts";
import type { Send, Statement } from "./pipeline.ts";
import { PINNED } from "./settings.ts";
import { currentTables, type Tables, versionsOf } from "./tables.ts";

/** Everything a commit depends on, as it is now. */
export type Look = Tables & {
  /** Whether this role may switch ordinary triggers off. */
  readonly replica: boolean;
  /** Settings to put back afterwards. */
  readonly settings: Readonly<Record<string, string>>;
  readonly isolation: string;
};

const KEPT = [...Object.keys(PINNED), "factotum.attempt", "session_replication_role"];
const SETTINGS: Statement = {
  text: `select current_setting('transaction_isolation') as isolation, (${MAY_REPLICATE}) as replica,
    json_build_object(${KEPT.map(nameAndValue).join(", ")}) as settings`,
};

function nameAndValue(name: string): string {
  return `'${name}', coalesce(current_setting('${name}', true), '')`;
}

/** Opens savepoint `factotum_commit` and reads, in one round trip where the tables are known. */
export async function look(client: ClientBase, send: Send, set: ChangeSet): Promise<Look> {
  const names = [...new Set(set.rows.map((row) => row.table))].sort();
  const [, versions, settings] = await send([
    { text: "savepoint factotum_commit" },
    versionsOf(names),
    SETTINGS,
  ]);
  const tables = await currentTables(client, send, names, versions);
  const state = must(settings?.rows[0], "settings");
  return {
    ...tables,
    replica: state["replica"] === true,
    settings: state["settings"] as Record<string, string>,
    isolation: String(state["isolation"]),
  };
}
