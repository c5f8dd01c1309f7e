/** A replica killed in the middle of a batch: no line is lost or answered twice, and the books are right. */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { makeKey } from "factotum/gateway";
import { microUsd } from "factotum/kernel";
import { auditBudgets, putBudget } from "factotum/ledger";
import { hang, reply, type ScriptedProvider, scriptedProvider, throwawayDatabase } from "factotum/testing";
import OpenAI, { toFile } from "openai";
import { expect, onTestFinished, test } from "vitest";

const LINES = 80;
/** The replica that is to be killed has so many answers, then hears nothing any more. */
const ANSWERS_BEFORE = 5;
/** 20 input at $1, 4 output at $10 a million. */
const PRICE = 60;
const answer = reply("done", { input: 20, output: 4 });

async function replica(url: string, provider: ScriptedProvider) {
  const file = join(import.meta.dirname, "..", "fixtures", "gateway-replica.ts");
  const child: ChildProcess = fork(file, [url, provider.url], { execArgv: ["--conditions=factotum-source"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [address] = (await once(child, "message")) as [string];
  return { child, url: `${address}/v1` };
}

async function played(): Promise<ScriptedProvider> {
  const provider = await scriptedProvider();
  onTestFinished(() => provider.close());
  return provider;
}

const until = async (done: () => Promise<boolean>): Promise<void> => {
  while (!(await done())) await new Promise((resolve) => setImmediate(resolve));
};

test("a replica killed in mid-batch loses no line, and nothing is billed but what was served", async () => {
  const db = await throwawayDatabase();
  onTestFinished(() => db.close());
  const { secret } = await db.transaction(async (tx) => {
    await putBudget(tx, "batches/all", { cap: microUsd(10_000_000) });
    return makeKey(tx, { name: "batches", budget: "batches/all" }, randomBytes);
  });
  const [dying, living] = [await played(), await played()];
  dying.script(...Array.from({ length: ANSWERS_BEFORE }, () => answer));
  dying.otherwise(hang());
  living.otherwise(answer);
  const [doomed, heir] = await Promise.all([replica(db.url, dying), replica(db.url, living)]);
  const openai = new OpenAI({ apiKey: secret, baseURL: doomed.url });
  const names = Array.from({ length: LINES }, (_, count) => `line-${count}`);
  const asked = names.map((custom_id) => {
    const body = { model: "small", max_tokens: 10, messages: [{ role: "user", content: custom_id }] };
    return JSON.stringify({ custom_id, method: "POST", url: "/v1/chat/completions", body });
  });
  const file = await openai.files.create({
    file: await toFile(Buffer.from(asked.join("\n")), "asked.jsonl"),
    purpose: "batch",
  });
  const order = { endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
  const { id } = await openai.batches.create({ ...order, input_file_id: file.id });
  // It holds lines that it has no answer to, and has answered others.
  await dying.arrived(ANSWERS_BEFORE + 10);
  const other = new OpenAI({ apiKey: secret, baseURL: heir.url });
  await living.arrived(10);
  doomed.child.kill("SIGKILL");
  await once(doomed.child, "exit");
  await until(async () => (await other.batches.retrieve(id)).status === "completed");
  const batch = await other.batches.retrieve(id);
  expect(batch.request_counts).toEqual({ total: LINES, completed: LINES, failed: 0 });
  const text = await (await other.files.content(batch.output_file_id ?? "")).text();
  const lines = text.trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id)).toEqual(names);
  heir.child.send("stop");
  await once(heir.child, "exit");
  const { rows } = await db.query<{ rows: number; amount: number }>(
    `select count(*)::int as rows, sum(amount_micro_usd)::int as amount from factotum.gateway_attempts
     where label = 'answered'`,
  );
  const [booked] = rows;
  const served = ANSWERS_BEFORE + living.requests.length;
  expect(booked?.amount).toBe((booked?.rows ?? 0) * PRICE);
  expect(booked?.rows).toBeLessThanOrEqual(served);
  expect(booked?.rows).toBeGreaterThanOrEqual(living.requests.length);
  // An answer that was not yet written down at the kill is asked for once more.
  expect(served).toBeGreaterThanOrEqual(LINES);
  expect(served - LINES).toBeLessThanOrEqual(ANSWERS_BEFORE);
  expect(await db.transaction((tx) => auditBudgets(tx))).toEqual([]);
});
