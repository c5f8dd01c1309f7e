import { grantOf, type TableAccess, type TableGrant } from "../changes/index.ts";

/** What is looked at of an agent. */
type Declaration = {
  readonly tables: { readonly [table: string]: TableAccess | TableGrant };
  readonly generate?: { readonly [table: string]: TableAccess };
};

/** Every part of a grant; the compiler misses one that is forgotten here. */
const GRANT_PARTS: { readonly [part in keyof Required<TableGrant>]: true } = {
  ...{ access: true, columns: true, rows: true },
};
const COLUMN_PARTS = { read: true, write: true } as const;

/**
 * What is misspelled in a declaration. A configuration is run without a type check, and a part that nobody
 * reads, such as `gaurds`, or `row` for `rows`, would let everything through that it was written to stop.
 *
 * @param parts every part that an agent may have
 */
export function misspelled(agent: Declaration, parts: object): readonly string[] {
  return [
    ...strange(agent, parts, "it"),
    ...Object.entries(agent.tables).flatMap(([name, table]) => inGrant(name, table)),
    ...Object.entries(agent.generate ?? {}).flatMap(([name, access]) => inAccess(`generate ${name}`, access)),
  ];
}

function inGrant(name: string, table: TableAccess | TableGrant): readonly string[] {
  const grant = grantOf(table);
  const long = typeof table === "string" ? [] : strange(grant, GRANT_PARTS, `table ${name}`);
  const columns = strange(grant.columns ?? {}, COLUMN_PARTS, `columns of table ${name}`);
  return [...inAccess(`table ${name}`, grant.access), ...long, ...columns];
}

function inAccess(what: string, access: string): readonly string[] {
  return access === "read" || access === "write"
    ? []
    : [`${what} has access ${JSON.stringify(access)}, and there is "read" and "write"`];
}

/** The names in `given` that are none of those known. */
function strange(given: object, known: object, what: string): readonly string[] {
  return Object.keys(given)
    .filter((name) => !(name in known))
    .map((name) => `${what} has ${name}, which is none of ${Object.keys(known).join(", ")}`);
}
