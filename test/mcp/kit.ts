/** What the tests of the Model Context Protocol share: a shop on a database of its own, and clients of it. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { type Factotum, openFactotum } from "factotum/server";
import { throwawayDatabase } from "factotum/testing";
import type { Database } from "factotum/postgres";
import project from "../mcp-project/factotum.config.ts";

/** A shop, opened in this process. */
export async function openShop(): Promise<{ readonly db: Database; readonly factotum: Factotum }> {
  const db = await throwawayDatabase();
  const factotum = await openFactotum(project, {
    env: { DATABASE_URL: db.url },
    directory: ".",
    say: () => {},
  });
  await factotum.prepare();
  return { db, factotum };
}

/** How a client opens a connection: as clients of today do, or as those of the years before. */
export type Era = "modern" | "legacy";

/** A client connected over HTTP. */
export async function httpClient(
  url: string,
  options: { readonly name?: string; readonly era?: Era; readonly token?: string } = {},
): Promise<Client> {
  const client = new Client(
    { name: options.name ?? "tester", version: "1" },
    { versionNegotiation: { mode: options.era === "legacy" ? "legacy" : { pin: "2026-07-28" } } },
  );
  const headers: Record<string, string> =
    options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

/** What a tool answered, and whether it was an error. */
export type Answer = {
  readonly text: string;
  readonly failed: boolean;
  readonly value: Record<string, unknown>;
};

/** Calls a tool. */
export async function call(client: Client, name: string, args: Record<string, unknown>): Promise<Answer> {
  const result = await client.callTool({ name, arguments: args });
  const [first] = result.content;
  const text = first?.type === "text" ? first.text : "";
  const value = (result.structuredContent ?? {}) as Record<string, unknown>;
  return { text, failed: result.isError === true, value };
}

/** Begins work and returns its handle. */
export async function begin(client: Client, note = "a customer's order"): Promise<string> {
  return String((await call(client, "begin", { work: { note } })).value["attempt"]);
}

/** Numbers out of the shop. */
export async function stock(db: Database, product: string): Promise<number> {
  const { rows } = await db.query<{ stock: number }>("select stock from shop.products where name = $1", [
    product,
  ]);
  return rows[0]?.stock ?? -1;
}
