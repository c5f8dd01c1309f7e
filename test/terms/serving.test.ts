/** The gateway asks what was agreed before it calls, and refuses with the clause. */
import { openFactotum } from "factotum/server";
import { type AgreementInput, recordAgreement, recordEvents } from "factotum/terms";
import { reply, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, test, vi } from "vitest";

const until = { date: "2032-01-01", event: "milestone" };
const exclusive: AgreementInput = {
  ...{ parties: ["lab", "cloud"], from: "2026-01-01", zone: "UTC", period: "month", currency: "USD" },
  panels: { milestone: { experts: ["ada", "bob", "cyd"], quorum: 2 } },
  clauses: [
    {
      ...{ kind: "licence", id: "stateless-apis", licensor: "lab", licensee: "cloud", models: ["house-*"] },
      ...{ apis: ["stateless-api"], clouds: ["azure"], exclusive: true, until },
    },
  ],
};

test("an exclusive model is refused on another cloud, and served once its end is verified", async () => {
  const db = await throwawayDatabase();
  const provider = await scriptedProvider();
  provider.otherwise(() => reply("Hello.", { input: 10, output: 2 }));
  const model = (id: string, name: string) => ({
    ...{ id, provider: "openai-compatible" as const, model: name, baseUrl: provider.url },
    ...{ outputTokensMax: 100, price: { inputUsdPerMtok: "1", outputUsdPerMtok: "1" } },
  });
  const config = {
    ...{ name: "deal", agents: [], clock: { at: new Date("2026-06-01T00:00:00Z"), rate: 0 } },
    models: [model("own/house-5", "house-5"), model("azure/house-5", "house-5"), model("own/other", "other")],
    gateway: {
      aliases: { house: ["own/house-5", "azure/house-5"] },
      channels: { own: { cloud: "aws", region: "eu-west-1" } },
    },
  };
  const factotum = await openFactotum(config, {
    env: { DATABASE_URL: db.url },
    directory: ".",
    say: () => {},
  });
  await db.transaction((tx) => recordAgreement(tx, { agreement: "deal", version: 1, terms: exclusive }));
  const gateway = await factotum.gateway.serve({ host: "127.0.0.1", port: 0 });
  const { secret } = await factotum.gateway.createKey({ name: "test" });
  const ask = async (name: string) => {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
      body: JSON.stringify({ model: name, messages: [{ role: "user", content: "Hello?" }] }),
    });
    return { status: answer.status, text: await answer.text() };
  };
  // A new key is heard of a moment later.
  await vi.waitUntil(async () => (await ask("own/other")).status === 200, { timeout: 30_000 });

  const before = provider.requests.length;
  const refused = await ask("own/house-5");
  expect(refused.status).toBe(403);
  expect(refused.text).toContain("not_served");
  expect(refused.text).toContain(
    "house-5 may not be served as stateless-api on aws in eu-west-1: clause stateless-apis of deal " +
      "(version 1) leaves that to azure until 2032-01-01T00:00:00Z or until milestone is verified",
  );
  expect(provider.requests).toHaveLength(before);
  // Of a list, the one that may be served is; what is sent says which model it was.
  expect((await ask("house")).status).toBe(200);
  expect(provider.requests).toHaveLength(before + 1);

  const at = "2026-05-01T00:00:00Z";
  const declared = {
    kind: "declaration",
    id: "d",
    agreement: "deal",
    event: "milestone",
    by: "lab",
    at,
  } as const;
  const word = { kind: "attestation", declaration: "d", says: "sign", at } as const;
  await db.transaction((tx) => recordEvents(tx, [declared, { ...word, id: "1", by: "ada" }]));
  expect((await ask("own/house-5")).status).toBe(403);
  await db.transaction((tx) => recordEvents(tx, [{ ...word, id: "2", by: "cyd" }]));
  await vi.waitUntil(async () => (await ask("own/house-5")).status === 200, { timeout: 30_000 });
  await gateway.close();
  await Promise.all([factotum.close(), provider.close()]);
});
