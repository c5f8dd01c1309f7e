import type { Survey } from "../server/index.ts";

type Table = Survey["tables"][number];

/** The configuration that `init` writes: one agent over the chosen tables, safe before it is clever. */
export function configText(name: string, { tables, referred }: Survey): string {
  const access = [
    ...tables.map((table) => `  ${JSON.stringify(table.name)}: "write",`),
    ...referred.map((table) => `  ${JSON.stringify(table.name)}: "read",`),
  ].join("\n");
  const nouns = tables.map((table) => table.table.replaceAll("_", " ")).join(", ");
  return `import { readFile } from "node:fs/promises";
import { defineAgent, defineConfig, microUsd, person, sqlAssertion, z } from "factotum";

/** What the agent may see and change. Tools to find, insert, update and delete come from the live schema. */
const tables = {
${access}
} as const;

const clerk = defineAgent({
  name: "clerk",
  version: 1,
  // Read by models and by people: say what is to be done, what never, and when to ask.
  policy: \`You keep these records: ${templateSafe(nouns)}.
Do what the request asks for, completely, and nothing else.
Look rows up before you change them; never invent an id.
If the request is unclear, or contradicts the data, give up and say why.\`,
  input: z.object({ request: z.string().min(1) }),
  tables,
  tools: [],
  generate: tables,
  checks: [
    // Every staged change goes to a person until this check is taken out. Put checks of your own here first:
    // each returns the sentences of what is wrong, seen with the staged change in place.
    person("a person approves", () => ["no check of ours has looked at this yet"]),
${exampleCheck(tables)}
  ],
  // Cheapest first; a rung whose model is not configured is skipped, and after the last comes a person.
  cascade: [
    { kind: "model", name: "cheap model", model: "cheap" },
    { kind: "model", name: "strong model", model: "strong" },
  ],
  // What a resolved request is worth to you, for the ledger: 500_000 is 50 cents.
  value: () => microUsd(0),
  present: ({ request }) => ({ title: request.slice(0, 80), text: request }),
});

export default defineConfig({
  name: ${JSON.stringify(name)},
  agents: [clerk],
  intake: {
    option: "requests",
    describe: "a text file with one request per line",
    async *read(path) {
      if (path === undefined) return;
      const lines = (await readFile(path, "utf8")).split("\\n").map((line) => line.trim());
      for (const request of lines.filter(Boolean)) {
        // The key makes a request unique: the same line is never worked twice.
        yield { kind: "work", agent: "clerk", key: request, input: { request }, name: request.slice(0, 60) };
      }
    },
  },
});
`;
}

/** A check on a real column, commented out: whether it holds only the owner of the data knows. */
function exampleCheck(tables: readonly Table[]): string {
  const found = tables
    .flatMap((table) => table.columns.map((column) => ({ table, column })))
    .filter(({ table, column }) => !isKey(table, column.name));
  const candidate =
    found.find(({ column }) => isNumber(column.type.base)) ?? found.find(({ column }) => column.nullable);
  if (candidate === undefined) return "    // sqlAssertion(...)";
  const { table, column } = candidate;
  const wrong = isNumber(column.type.base) ? `${quoted(column.name)} < 0` : `${quoted(column.name)} is null`;
  const says = isNumber(column.type.base) ? "is negative" : "is missing";
  const from = `${quoted(table.schema)}.${quoted(table.table)}`;
  const key = table.primaryKey.columns.map(quoted).join(" || ',' || ");
  const lines = [
    `sqlAssertion("${safeName(column.name)} of ${safeName(table.table)} is never wrong",`,
    `  \`select '${safeName(table.table)} ' || ${key} || ': ${safeName(column.name)} ${says}' as because`,
    `   from ${from} where ${wrong}\`),`,
  ];
  return lines.map((line) => `    // ${templateSafe(line, false)}`).join("\n");
}

const isNumber = (type: string): boolean =>
  /^(?:smallint|integer|bigint|numeric|real|double precision)$/.test(type);

function isKey(table: Table, column: string): boolean {
  return [table.primaryKey, ...table.foreignKeys].some((key) => key.columns.includes(column));
}

const quoted = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
const safeName = (name: string): string => name.replaceAll(/[^\p{L}\p{N}_ ]/gu, " ");

/** Text that may stand in a template literal or a line comment of the generated file. */
function templateSafe(text: string, literal = true): string {
  const line = text.replaceAll(/[\r\n\u2028\u2029]/g, " ");
  return literal ? line.replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("${", "\\${") : line;
}
