import { join } from "node:path";
import type { DatabaseOptions } from "../postgres/index.ts";
import type { Config } from "./config.ts";
import type { Surroundings } from "./surroundings.ts";

/** Chooses the database: the user's own where `DATABASE_URL` is set, else one embedded in the project. */
export function databaseOptions(
  config: Config,
  { env, directory, say }: Surroundings,
): { readonly database: DatabaseOptions; readonly label: string } {
  const url = env["DATABASE_URL"];
  if (url !== undefined && url !== "") return { database: { kind: "url", url }, label: printable(url) };
  const folder = join(directory, ".factotum", "postgres");
  const database = config.name.replaceAll(/[^a-z0-9_]/g, "_");
  return {
    database: { kind: "embedded", directory: folder, database, say },
    label: `embedded in ${folder}, database ${database}`,
  };
}

function printable(url: string): string {
  if (!URL.canParse(url)) return "DATABASE_URL";
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}
