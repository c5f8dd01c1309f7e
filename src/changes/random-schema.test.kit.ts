/** Random schemas, for tests that hold staging against Postgres itself. */
import * as fc from "fast-check";

/** A type of columns, with values as Postgres text. */
export type Type = { readonly sql: string; readonly values: readonly string[]; readonly key?: true };

/** Types with the values that lose something in one text or binary form or another. */
const TYPES: readonly Type[] = [
  { sql: "integer", values: ["0", "1", "-7", "2147483647"], key: true },
  { sql: "bigint", values: ["9223372036854775807", "-1", "42"], key: true },
  { sql: "numeric", values: ["0", "-0.00", "1.1", "1.10", "NaN", "-Infinity", "12345678901234567890.123"] },
  { sql: "numeric(12,2)", values: ["0", "1.1", "1.10", "-3"], key: true },
  { sql: "real", values: ["-0", "0", "NaN", "1e-45", "3.4e38", "Infinity"] },
  { sql: "double precision", values: ["-0", "0.1", "NaN", "5e-324", "-Infinity"] },
  { sql: "text", values: ["", "a", 'b, "c"', "d\\", "(é)", "  ", "li\nne", "\u0001", "null"], key: true },
  { sql: "text collate kit.any_case", values: ["a", "A", "ä", "Ä", ""], key: true },
  { sql: "varchar(9)", values: ["", " x ", "'", "{}"] },
  { sql: "character(4)", values: ["", "ab", "ab  ", "a\tb"], key: true },
  { sql: '"char"', values: ["x", "", "\\"] },
  { sql: "boolean", values: ["t", "f"], key: true },
  {
    sql: "timestamptz",
    values: ["infinity", "-infinity", "0044-03-15 12:00 BC", "2024-02-29 12:00:00.000001+05:30"],
    key: true,
  },
  { sql: "timestamp", values: ["294276-01-01 00:00", "0001-01-01 00:00 BC", "infinity"] },
  { sql: "date", values: ["infinity", "4713-01-01 BC", "2024-02-29"], key: true },
  { sql: "timetz", values: ["24:00:00+00", "04:05:06.789-08"] },
  { sql: "interval", values: ["1 mon -3 days 04:05:06.789", "-1 mon +1 day", "infinity", "0"] },
  { sql: "bytea", values: ["\\x", "\\x00ff", "\\x27225c"], key: true },
  { sql: "uuid", values: ["00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"] },
  { sql: "json", values: ['{"b":1, "a":2,"b":3}', "null", '"\\u0000"', "12345678901234567890.10"] },
  { sql: "jsonb", values: ['{"n":1.00,"big":12345678901234567890.123}', "null", "[]", '"x"'] },
  { sql: "int[]", values: ["{}", "[0:1]={5,6}", "{1,NULL}", "{{1,2},{3,4}}"] },
  { sql: "text[]", values: ["{}", '{NULL,"NULL","",a b}', '{"\\"","\\\\"}'] },
  { sql: "int4range", values: ["empty", "[1,5)", "(,)", "[3,3]"] },
  { sql: "datemultirange", values: ["{}", "{[2024-01-01,2024-02-01),[2025-01-01,)}"] },
  { sql: "inet", values: ["10.0.0.1/8", "::1", "10.0.0.1"] },
  { sql: "varbit", values: ["", "101"] },
  { sql: "money", values: ["$1,234.56", "-0.01"] },
  { sql: "point", values: ["(-0,0)", "(1e300,NaN)"] },
  { sql: "tsvector", values: ["", "a:1A b:2,3 'c''d'"] },
  { sql: "kit.mood", values: ["calm", 'it\'s "odd", no?', "cross"], key: true },
  { sql: "kit.positive", values: ["1", "7"], key: true },
  { sql: "kit.pair", values: ['(1,"a""b,c")', "(,)", '(2,"")'] },
  { sql: "kit.pair[]", values: ["{}", '{"(1,)",NULL}'] },
];
const KEY_TYPES = TYPES.filter((type) => type.key === true);

/** What is there for all tables of a random schema; dropped with it. */
const COMMON = `create schema kit;
create collation kit.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create type kit.mood as enum ('calm', 'cross', 'it''s "odd", no?');
create type kit.pair as (x int, y text);
create domain kit.positive as int check (value > 0);
create table kit.counts (what text primary key, n int not null);
create function kit.count() returns trigger language plpgsql as $$ begin
  insert into kit.counts values (tg_table_name || ' ' || tg_op, 1)
    on conflict (what) do update set n = kit.counts.n + 1;
  return null; end $$;
create function kit.touch() returns trigger language plpgsql as $$ begin
  new.n = coalesce(new.n, 0) + 1; return new; end $$;
create function kit.siblings() returns trigger language plpgsql as $$ begin
  if pg_trigger_depth() = 1 then
    execute format('update %I.%I set s = s + 1', tg_table_schema, tg_table_name); end if;
  return null; end $$;`;

/** The schemas that tables are in. */
export const SCHEMAS = ["public", "kit", 'Odd "one'];
const NAMES = ["order", "Line item", "t3", 'say "hi"', "été"];
const ACTIONS = ["no action", "restrict", "cascade", "set null", "set default"] as const;

/** A table of a random schema. */
export type Table = {
  /** As `attach` takes it, and as SQL spells it. */
  readonly name: string;
  readonly sql: string;
  readonly key: readonly Column[];
  /** Columns that SQL may write. */
  readonly columns: readonly Column[];
  /** Columns whose values no two runs agree on. */
  readonly volatile: readonly string[];
  readonly ddl: readonly string[];
  readonly indexes: Flags["indexes"];
};
/** A column, its name as SQL spells it. */
export type Column = { readonly sql: string; readonly type: Type };

/** Tables, how to make them and how to be rid of them. */
export type RandomSchema = {
  readonly tables: readonly Table[];
  readonly create: string;
  readonly drop: string;
};

/** What a schema may hold. */
export type SchemaOptions = {
  /** Identity columns; what they give depends on the order of everything. */
  readonly identity: boolean;
  readonly triggers: boolean;
};

type Flags = {
  readonly key: readonly Type[];
  readonly columns: readonly { readonly type: Type; readonly given: string | null }[];
  readonly identity: "no" | "key always" | "key by default" | "column";
  readonly generated: readonly ("stored" | "virtual")[];
  readonly volatile: boolean;
  readonly indexes: "none" | "unique" | "late unique" | "exclusion";
  readonly partitioned: boolean;
  readonly parent: number | null;
  readonly action: (typeof ACTIONS)[number];
  readonly late: boolean;
  readonly triggers: readonly ("count" | "touch" | "siblings")[];
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
/** A string as SQL spells it. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A random schema of one to four tables. */
export function anySchema(options: SchemaOptions): fc.Arbitrary<RandomSchema> {
  const flags: fc.Arbitrary<Flags> = fc.record({
    key: fc.array(fc.constantFrom(...KEY_TYPES), { minLength: 1, maxLength: 2 }),
    columns: fc.array(
      fc
        .constantFrom(...TYPES)
        .chain((type) =>
          fc.record({ type: fc.constant(type), given: fc.option(fc.constantFrom(...type.values)) }),
        ),
      { minLength: 1, maxLength: 5 },
    ),
    identity: options.identity
      ? fc.constantFrom(
          "no" as const,
          "no" as const,
          "key always" as const,
          "key by default" as const,
          "column" as const,
        )
      : fc.constant("no" as const),
    generated: fc.subarray(["stored", "virtual"] as const),
    volatile: options.identity ? fc.boolean() : fc.constant(false),
    indexes: fc.constantFrom("none", "unique", "late unique", "exclusion"),
    partitioned: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    parent: fc.option(fc.nat(3)),
    action: fc.constantFrom(...ACTIONS),
    late: fc.boolean(),
    triggers: options.triggers ? fc.subarray(["count", "touch", "siblings"] as const) : fc.constant([]),
  });
  const named = fc.record({ flags, schema: fc.constantFrom(...SCHEMAS) });
  return fc
    .tuple(fc.array(named, { minLength: 1, maxLength: 4 }), fc.shuffledSubarray(NAMES, { minLength: 4 }))
    .map(([list, names]) => {
      const tables: Table[] = [];
      for (const [at, one] of list.entries())
        tables.push(makeTable(one.schema, names[at] ?? "t", one.flags, tables));
      return schemaOf(tables);
    });
}

function schemaOf(tables: readonly Table[]): RandomSchema {
  const counts: Table = {
    ...{
      name: "kit.counts",
      sql: "kit.counts",
      key: [],
      columns: [],
      volatile: [],
      ddl: [],
      indexes: "none",
    },
  };
  const odd = quoted(SCHEMAS[2] ?? "");
  const schema = {
    tables: [...tables, counts],
    create: [COMMON, `create schema ${odd}`, ...tables.flatMap((table) => table.ddl)].join(";\n"),
    drop: [
      `drop schema ${odd} cascade`,
      ...tables
        .filter((table) => table.name.startsWith("public."))
        .map(({ sql }) => `drop table ${sql} cascade`),
      "drop schema kit cascade",
    ].join(";\n"),
  };
  const ddl = tables.flatMap((table) => table.ddl).join(";\n");
  // A failing example is printed: its tables say it all.
  return Object.assign(schema, { [fc.toStringMethod]: () => ddl });
}

function makeTable(schema: string, name: string, flags: Flags, before: readonly Table[]): Table {
  const sql = `${quoted(schema)}.${quoted(name)}`;
  const ownKey = flags.identity.startsWith("key")
    ? []
    : flags.key.map((type, at): Column => ({ sql: `k${at}`, type }));
  const part: Column[] = flags.partitioned
    ? [{ sql: "part", type: { sql: "integer", values: ["0", "1", "2"] } }]
    : [];
  const identityKey: Column[] = flags.identity.startsWith("key")
    ? [{ sql: "id", type: { sql: "bigint", values: ["1", "2", "3", "4"] } }]
    : [];
  const key = [...identityKey, ...ownKey, ...part];
  const parent =
    flags.parent === null || before.length === 0 ? undefined : before[flags.parent % before.length];
  const refers = (parent?.key ?? []).map(({ type }, at): Column => ({ sql: `"Ref ${at}"`, type }));
  const typed = flags.columns.map(({ type }, at): Column => ({ sql: `"C ${at}"`, type }));
  const small: Type = { sql: "integer", values: ["0", "1", "2", "3"] };
  const indexes = flags.partitioned ? "none" : flags.indexes;
  const unique = indexes.endsWith("unique")
    ? [{ sql: "u", type: { ...small, values: ["1", "2", "3", "4", "5"] } }]
    : [];
  const span = { sql: "span", type: { sql: "int4range", values: ["[1,3)", "[3,5)", "[4,9)", "empty"] } };
  const plain: Column[] = [
    ...refers,
    ...typed,
    { sql: "n", type: small },
    { sql: "s", type: small },
    ...unique,
  ];
  const columns = indexes === "exclusion" ? [...plain, span] : plain;
  const givens = flags.columns.map(({ given }) => (given === null ? "" : ` default ${literal(given)}`));
  const volatile = flags.volatile ? ["made", "code"] : [];
  const lines = [
    ...identityKey.map(() => `id bigint generated ${flags.identity.slice(4)} as identity`),
    ...[...ownKey, ...part].map((one) => `${one.sql} ${one.type.sql} not null`),
    ...columns.map((one) => {
      const given = one.sql === "s" ? " not null default 0" : (givens[typed.indexOf(one)] ?? "");
      return `${one.sql} ${one.type.sql}${given}`;
    }),
    ...(flags.identity === "column" ? ["seq bigint generated always as identity"] : []),
    ...flags.generated.map((how) => `${quoted(`g ${how}`)} int generated always as (n * 2) ${how}`),
    ...(flags.volatile
      ? ["made timestamptz default clock_timestamp()", "code uuid default gen_random_uuid()"]
      : []),
    `primary key (${key.map((one) => one.sql).join(", ")})`,
    ...(indexes === "unique" ? ["unique (u)"] : []),
    ...(indexes === "late unique"
      ? [`unique (u) deferrable initially ${flags.late ? "deferred" : "immediate"}`]
      : []),
    ...(indexes === "exclusion" ? ["exclude using gist (span with &&)"] : []),
    ...(parent === undefined ? [] : [foreignKey(refers, parent, flags)]),
  ];
  return {
    ...{ name: `${schema}.${name}`, sql, key, volatile, indexes },
    columns: [...ownKey, ...part, ...columns],
    ddl: [
      `create table ${sql} (${lines.join(",\n")})${flags.partitioned ? " partition by list (part)" : ""}`,
      ...(flags.partitioned ? partitions(sql, schema, name) : []),
      ...flags.triggers.map((kind) => triggerOn(sql, kind)),
    ],
  };
}

function foreignKey(refers: readonly Column[], parent: Table, flags: Flags): string {
  const late = flags.late ? "deferrable initially deferred" : "";
  return `foreign key (${refers.map((one) => one.sql).join(", ")}) references ${parent.sql}
    on delete ${flags.action} on update ${flags.action === "restrict" ? "no action" : flags.action} ${late}`;
}

/** Of several shapes: one in another schema, and one default. */
function partitions(sql: string, schema: string, name: string): readonly string[] {
  const part = (suffix: string): string => `${quoted(schema)}.${quoted(`${name} ${suffix}`)}`;
  return [
    `create table kit.${quoted(`${name} zero`)} partition of ${sql} for values in (0)`,
    `create table ${part("rest")} partition of ${sql} default`,
  ];
}

function triggerOn(sql: string, kind: Flags["triggers"][number]): string {
  if (kind === "touch")
    return `create trigger "A touch" before update on ${sql} for each row execute function kit.touch()`;
  const events = kind === "count" ? "insert or update or delete" : "update";
  return `create trigger a_${kind} after ${events} on ${sql} for each row execute function kit.${kind}()`;
}
