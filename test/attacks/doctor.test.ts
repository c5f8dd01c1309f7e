/** What the doctor says of ways past an agent's rights that the database leaves open. */
import { createServer, connect } from "node:net";
import { once } from "node:events";
import { defineConfig, openFactotum } from "factotum/server";
import { throwawayDatabase } from "factotum/testing";
import { expect, test } from "vitest";
import { teller } from "./teller.ts";

const agent = teller({ tables: { "bank.accounts": "write" }, effects: [], checks: [] });

async function findings(url: string) {
  const config = defineConfig({
    ...{ name: "bank", agents: [agent] },
    prepare: async (tx) =>
      void (await tx.query(`create schema if not exists bank;
        create table if not exists bank.accounts (id integer primary key, note text)`)),
  });
  const factotum = await openFactotum(config, { env: { DATABASE_URL: url }, directory: ".", say: () => {} });
  try {
    await factotum.prepare();
    return await factotum.diagnose();
  } finally {
    await factotum.close();
  }
}

test("a definer function that everybody may call is a warning, until it is revoked", async () => {
  const db = await throwawayDatabase();
  const names = async () => (await findings(db.url)).map(({ what }) => what);
  expect(await names()).not.toContain("definer functions");
  await db.query(`create function bank.raise_all() returns void language sql security definer
    as 'update bank.accounts set note = null'`);
  const found = (await findings(db.url)).find(({ what }) => what === "definer functions");
  expect(found).toMatchObject({
    state: "warning",
    detail: expect.stringContaining("bank.raise_all()") as string,
  });
  await db.query(found?.remedy ?? "select no_remedy");
  expect(await names()).not.toContain("definer functions");
});

test("a pooler between us and Postgres is told by the process number that it makes up", async () => {
  const db = await throwawayDatabase();
  const { hostname, port } = new URL(db.url);
  // As poolers do: everything passes, but the key for cancelling (message K) is their own.
  const pooler = createServer((client) => {
    const server = connect(Number(port), hostname);
    client.pipe(server);
    server.on("data", (chunk) => {
      const at = chunk.indexOf(Buffer.from([0x4b, 0, 0, 0]));
      if (at >= 0) chunk.writeInt32BE(7, at + 5);
      client.write(chunk);
    });
    for (const side of [client, server]) {
      side.on("error", () => {});
      side.on("close", () => [client, server].forEach((one) => one.destroy()));
    }
  });
  pooler.listen(0, "127.0.0.1");
  await once(pooler, "listening");
  const url = new URL(db.url);
  url.port = String((pooler.address() as { port: number }).port);
  const between = await findings(url.href);
  expect(between.find(({ what }) => what === "connection")).toMatchObject({ state: "warning" });
  expect((await findings(db.url)).map(({ what }) => what)).not.toContain("connection");
  pooler.close();
});
