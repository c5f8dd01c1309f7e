/** The recorded businesses as files: where they are, what a line holds, and how they get into Postgres. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { InputError, messageOf } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { z } from "zod";
import type { Dialect } from "../examples/retail/dialect.ts";

/** The two businesses. */
export const domains = ["retail", "airline"] as const;
/** A business. */
export type Domain = (typeof domains)[number];

/** Rows that differ from the initial data, by table: added, changed by key, or removed by key. */
export const RowChanges = z.record(
  z.string(),
  z.array(
    z.union([
      z.tuple([z.literal("+"), z.array(z.unknown())]),
      z.tuple([z.literal("~"), z.array(z.unknown()), z.record(z.string(), z.array(z.unknown()))]),
      z.tuple([z.literal("-"), z.array(z.unknown())]),
    ]),
  ),
);
/** What changed, as the recordings write it. */
export type RowChanges = z.infer<typeof RowChanges>;

const Task = z.looseObject({
  id: z.string(),
  domain: z.enum(domains),
  actions: z.array(z.object({ name: z.string(), kwargs: z.json() })),
  dialect: z.union([z.literal(1), z.literal(2)]),
  user_id: z.string(),
  outputs: z.array(z.string()),
  expected_rows: RowChanges,
});
/** What a customer wanted, and what should come of it. */
export type Task = z.infer<typeof Task>;

const Message = z.looseObject({
  u: z.string().nullable().optional(),
  a: z.string().nullable().optional(),
  c: z.array(z.tuple([z.string(), z.json()])).optional(),
  r: z.string().nullable().optional(),
});
/** One turn: what the customer said, what the agent said or called, or what a tool answered. */
export type Message = z.infer<typeof Message>;

const Line = z.looseObject({
  id: z.string(),
  task: z.string().nullable(),
  trial: z.number().optional(),
  messages: z.array(Message),
  reward: z.number(),
  final_rows: RowChanges,
  graded_rows: RowChanges.optional(),
  graded_outputs: z.array(z.string()).optional(),
  model: z.string().default("unknown"),
  use: z
    .object({ model_calls: z.number(), prompt_chars: z.number(), completion_chars: z.number() })
    .optional(),
});

/** One recorded conversation with what it is graded by. */
export type Recording = z.infer<typeof Line> & {
  readonly domain: Domain;
  readonly dialect: Dialect;
  readonly file: string;
  readonly expected: RowChanges;
  readonly outputs: readonly string[];
};

/** Everything that a folder holds. */
export type Businesses = {
  readonly schema: string;
  readonly tables: Readonly<Record<Domain, Readonly<Record<string, Table>>>>;
  readonly tasks: readonly Task[];
  readonly recordings: readonly Recording[];
  /** The same task in the other benchmark, by its id in the first. */
  readonly sameTask: ReadonlyMap<string, string>;
};

const Table = z.object({ columns: z.array(z.string()), rows: z.array(z.array(z.unknown())) });
type Table = z.infer<typeof Table>;

/**
 * Reads a folder: `schema.sql` and `db.*.json` in it or above it, recordings and tasks in it or below it.
 *
 * @throws {InputError} `data-missing`, `data-malformed`
 */
export function readBusinesses(folder: string): Businesses {
  const base = [folder, dirname(folder)].find((one) => existsSync(join(one, "schema.sql")));
  const files = globSync("**/trajectories*.jsonl", { cwd: folder }).sort();
  if (base === undefined || files.length === 0) {
    throw new InputError({
      code: "data-missing",
      message:
        `${folder} holds no schema.sql or no trajectories*.jsonl; ` +
        "give the folder of the recorded businesses",
    });
  }
  const tasks = globSync("**/tasks.json", { cwd: folder }).flatMap((file) =>
    z.array(Task).parse(parseFile(join(folder, file))),
  );
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const recordings = files.flatMap((file) => readRecordings(join(folder, file), byId));
  checkTasks(recordings, byId, folder);
  const table = (domain: Domain): Record<string, Table> =>
    z.record(z.string(), Table).parse(parseFile(join(base, `db.${domain}.json`)));
  return {
    schema: readFileSync(join(base, "schema.sql"), "utf8"),
    tables: { retail: table("retail"), airline: table("airline") },
    tasks,
    recordings,
    sameTask: new Map(
      globSync("**/*-task-map.1to2.json", { cwd: folder }).flatMap((file) =>
        Object.entries(z.record(z.string(), z.string()).parse(parseFile(join(folder, file)))),
      ),
    ),
  };
}

/** Reads the recordings of one file. @throws {InputError} `data-missing` */
export function readRecordings(path: string, tasks: ReadonlyMap<string, Task>): Recording[] {
  const file = basename(path);
  const domain = domains.find((one) => file.includes(`.${one}.`));
  if (domain === undefined) {
    throw new InputError({
      code: "data-missing",
      message: `${file} names no business; expected retail or airline`,
    });
  }
  const lines = textOf(path)
    .split("\n")
    .flatMap((line, at) => (line.trim() === "" ? [] : [parseLine(line, `line ${at + 1} of ${path}`)]));
  const taskOf = (line: z.infer<typeof Line>): Task | undefined => tasks.get(line.task ?? "");
  // All lines of a file come from one benchmark; a line whose task is gone speaks like the others.
  const usual = lines.map(taskOf).find((task) => task !== undefined)?.dialect ?? 2;
  return lines.map((line) => {
    const task = taskOf(line);
    const expected = line.graded_rows ?? task?.expected_rows ?? {};
    const outputs = line.graded_outputs ?? task?.outputs ?? [];
    return { ...line, domain, file, expected, outputs, dialect: task?.dialect ?? usual };
  });
}

function parseLine(line: string, where: string): z.infer<typeof Line> {
  const parsed = Line.safeParse(parseJson(line, where));
  if (parsed.success) return parsed.data;
  const because = z.prettifyError(parsed.error).replaceAll(/\s+/g, " ");
  throw new InputError({ code: "data-malformed", message: `${where} is no recording: ${because}` });
}

/** A recording whose task is nowhere cannot be graded, and would count as one in which nothing is due. */
function checkTasks(
  recordings: readonly Recording[],
  tasks: ReadonlyMap<string, Task>,
  folder: string,
): void {
  const lost = recordings.filter(
    ({ task, graded_rows }) => task !== null && graded_rows === undefined && !tasks.has(task),
  );
  if (lost.length === 0) return;
  const some = [...new Set(lost.map((one) => one.task))].slice(0, 3).join(", ");
  throw new InputError({
    code: "data-missing",
    message:
      `${lost.length} of ${recordings.length} recordings below ${folder} are of tasks that no tasks.json ` +
      `there holds (${some}); give the folder that has both`,
  });
}

function parseFile(path: string): unknown {
  return parseJson(textOf(path), path);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError({ code: "data-missing", message: `cannot read ${path}: ${messageOf(error)}` });
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError({ code: "data-malformed", message: `${where} is no JSON: ${messageOf(error)}` });
  }
}

/** Makes the schema and loads every table with one statement. */
export async function loadBusinesses(db: Database, data: Businesses): Promise<void> {
  const session = await db.session();
  try {
    await session.query(data.schema);
    for (const domain of domains) {
      for (const [name, table] of Object.entries(data.tables[domain])) {
        const records = table.rows.map((row) =>
          Object.fromEntries(table.columns.map((column, at) => [column, row[at] ?? null])),
        );
        // A column that the file leaves out keeps its default.
        const columns = table.columns.join(", ");
        await session.query(
          `insert into ${domain}.${name} (${columns})
           select ${columns} from json_populate_recordset(null::${domain}.${name}, $1)`,
          [JSON.stringify(records)],
        );
      }
    }
    await session.query("analyze");
  } finally {
    await session.release();
  }
}
