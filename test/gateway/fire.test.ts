/** Money under fire: replicas are killed, streams are cut, clients leave; the books stay right. */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { makeKey } from "factotum/gateway";
import { microUsd } from "factotum/kernel";
import { auditBudgets, listBudgets, putBudget } from "factotum/ledger";
import type { Database } from "factotum/postgres";
import {
  cut,
  hang,
  reply,
  type ScriptedProvider,
  scriptedProvider,
  throwawayDatabase,
} from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

type Replica = { readonly url: string; readonly process: ChildProcess };
const CHUNKS = 5;
/** 20 input at $1, 4 output at $10 a million. */
const PRICE = 60;
const USAGE = { input: 20, output: 4 };
const SEED = 7;
const STREAMS = 200;

let db: Database;
let provider: ScriptedProvider;
const replicas: Replica[] = [];

async function start(): Promise<Replica> {
  const file = join(import.meta.dirname, "..", "fixtures", "gateway-replica.ts");
  const child = fork(file, [db.url, provider.url], { execArgv: ["--conditions=factotum-source"] });
  const [url] = (await once(child, "message")) as [string];
  const replica = { url, process: child };
  replicas.push(replica);
  return replica;
}

async function keyTo(budget: string, cap: number): Promise<string> {
  const { secret } = await db.transaction(async (tx) => {
    await putBudget(tx, budget, { cap: microUsd(cap) });
    return makeKey(tx, { name: budget, budget }, randomBytes);
  });
  const headers = { authorization: `Bearer ${secret}` };
  for (const { url, process: child } of replicas) {
    while (child.exitCode === null && child.signalCode === null) {
      const answer = await fetch(`${url}/v1/models`, { headers });
      await answer.text();
      if (answer.ok) break;
    }
  }
  return secret;
}

const ask = (url: string, secret: string, more: object = {}, signal?: AbortSignal) =>
  fetch(`${url}/v1/chat/completions`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
    body: JSON.stringify({
      model: "small",
      max_tokens: 10,
      messages: [{ role: "user", content: "x" }],
      ...more,
    }),
    ...(signal !== undefined && { signal }),
  });

/** Rows and money of a budget's attempts, by label. */
async function booked(budget: string) {
  const { rows } = await db.query<{ label: string; rows: number; amount: number }>(
    `select a.label, count(*)::int as rows, sum(a.amount_micro_usd)::int as amount
     from factotum.gateway_attempts a join factotum.gateway_keys k on k.id = a.key
     where k.name = $1 group by a.label order by a.label`,
    [budget],
  );
  return rows;
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setImmediate(resolve));
}

/** What a budget has held and not settled. */
const held = async (budget: string): Promise<bigint> => (await listBudgets(db, budget))[0]?.held ?? -1n;

beforeAll(async () => {
  db = await throwawayDatabase();
  provider = await scriptedProvider();
  await Promise.all(Array.from({ length: 4 }, start));
}, 120_000);
afterAll(async () => {
  for (const { process: child } of replicas) child.kill("SIGKILL");
  await provider.close();
});

test("a stream cut at every chunk: every attempt has one row, one label and its money", async () => {
  const secret = await keyTo("cuts/all", 100_000_000);
  const { url } = replicas[0] ?? (await start());
  const before = provider.requests.length;
  for (let after = 1; after <= CHUNKS; after += 1) {
    provider.script(cut({ afterChunks: after }));
    await (await ask(url, secret, { stream: true })).text();
  }
  await until(async () => (await booked("cuts/all"))[0]?.rows === CHUNKS);
  expect((await booked("cuts/all")).map(({ label }) => label)).toEqual(["cut"]);
  expect(provider.requests.length - before).toBe(CHUNKS);
  await until(async () => (await held("cuts/all")) === 0n);
  const [budget] = await listBudgets(db, "cuts/all");
  expect(Number(budget?.spent)).toBe((await booked("cuts/all"))[0]?.amount);
});

test("clients that leave at random: all that was sent is booked once, and nothing stays held", async () => {
  const secret = await keyTo("leavers/all", 1_000_000_000);
  const { url } = replicas[1] ?? (await start());
  const before = provider.requests.length;
  let random = SEED;
  provider.otherwise(() => {
    random = (random * 48_271) % 2_147_483_647;
    return random % 2 === 0 ? hang({ afterChunks: random % CHUNKS }) : reply("one two three", USAGE);
  });
  const clients = Array.from({ length: STREAMS }, () => new AbortController());
  // Who is left when all have arrived leaves, too: some of them would wait for ever.
  const arrived = provider.arrived(before + STREAMS).then(() => clients.forEach((each) => each.abort()));
  await Promise.all(
    clients.map(async (client, count) => {
      try {
        const reader = (await ask(url, secret, { stream: true }, client.signal)).body?.getReader();
        for (let piece = 0; piece < count % CHUNKS; piece += 1) {
          if ((await reader?.read())?.done === true) return;
        }
        client.abort();
      } catch (error) {
        if (!client.signal.aborted) throw error;
      }
    }),
  );
  await arrived;
  const rows = async (): Promise<number> =>
    (await booked("leavers/all")).reduce((sum, one) => sum + one.rows, 0);
  await until(async () => (await rows()) >= STREAMS);
  await until(async () => (await held("leavers/all")) === 0n);
  expect([await rows(), provider.requests.length - before]).toEqual([STREAMS, STREAMS]);
  const all = await booked("leavers/all");
  const [budget] = await listBudgets(db, "leavers/all");
  expect(Number(budget?.spent)).toBe(all.reduce((sum, one) => sum + one.amount, 0));
  expect(all.map(({ label }) => label)).toContain("client-left");
});

test("four replicas, two killed in the middle: no cap is overrun, and no reservation stays", async () => {
  const cap = 300_000;
  const secret = await keyTo("fire/all", cap);
  const counted = new Map<string, number>();
  const before = provider.requests.length;
  provider.otherwise(() => reply("ok", USAGE));
  const urls = replicas.map(({ url }) => url);
  const doomed = replicas.slice(2, 4);
  let answered = 0;
  await Promise.all(
    Array.from({ length: 1_000 }, async (_, count) => {
      if (count === 300) for (const { process: child } of doomed) child.kill("SIGKILL");
      const url = urls[count % urls.length] ?? "";
      const answer = await ask(url, secret).catch(() => null);
      if (answer === null) return;
      const whole = await answer.text().catch(() => null);
      if (answer.status !== 200 || whole === null) return;
      answered += 1;
      counted.set(url, (counted.get(url) ?? 0) + 1);
    }),
  );
  const sent = provider.requests.length - before;
  expect(answered).toBeGreaterThan(20);
  expect(sent).toBeGreaterThanOrEqual(answered);
  expect(sent * PRICE).toBeLessThanOrEqual(cap);
  // What the killed held is ended by the others, and counts in full.
  await until(async () => (await held("fire/all")) === 0n);
  const [budget] = await listBudgets(db, "fire/all");
  expect(Number(budget?.spent)).toBeGreaterThanOrEqual(sent * PRICE);
  expect(Number(budget?.spent)).toBeLessThanOrEqual(cap);
  expect(await db.transaction((tx) => auditBudgets(tx))).toEqual([]);
  // Every answer of those that lived becomes a row, a batch later, to the last unit.
  const lived = urls.slice(0, 2).reduce((sum, url) => sum + (counted.get(url) ?? 0), 0);
  await until(async () => ((await booked("fire/all"))[0]?.rows ?? 0) >= lived);
  const rows = await booked("fire/all");
  expect(rows.map(({ label }) => label)).toEqual(["answered"]);
  expect(rows[0]?.amount).toBe((rows[0]?.rows ?? 0) * PRICE);
});

test("a conversation with sealed thoughts goes on after each of its replicas was killed", async () => {
  const secret = await keyTo("thinkers/all", 1_000_000);
  const [, first] = replicas;
  const thoughts = ["sealed+by/the=provider", "sealed-again"];
  const items: object[] = [];
  for (const [turn, replica] of [first, replicas[0], await start()].entries()) {
    items.push({ type: "message", role: "user", content: `turn ${turn}` });
    const signature = thoughts[turn];
    provider.script(
      reply("no", USAGE, signature === undefined ? {} : { thinking: { text: "I look out.", signature } }),
    );
    const answer = await fetch(`${replica?.url}/v1/responses`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
      body: JSON.stringify({ model: "small", input: items, include: ["reasoning.encrypted_content"] }),
    });
    const { output } = (await answer.json()) as { output: object[] };
    expect([answer.status, JSON.stringify(output).includes("fe1.")]).toEqual([200, signature !== undefined]);
    items.push(...output);
    replica?.process.kill("SIGKILL");
  }
  // The last of them read, in the provider's own words, what two dead ones had passed on.
  const sent = JSON.stringify(provider.requests.at(-1)?.body);
  for (const thought of thoughts) expect(sent).toContain(thought);
  expect(sent).not.toContain("fe1.");
});
