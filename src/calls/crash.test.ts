import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import type { RunId } from "../kernel/index.ts";
import { statementOf } from "../ledger/index.ts";
import { hang, scriptedProvider, throwawayDatabase } from "../testing/index.ts";
import { listCalls, reconcile } from "./index.ts";

const db = await throwawayDatabase();
const provider = await scriptedProvider(hang({ afterChunks: 3 }));
afterAll(() => provider.close());

const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
/** What a worker does up to the moment it is killed: intend, commit, send. */
const worker = `
  import { intend, send } from ${url("./index.ts")};
  import { systemClock } from ${url("../kernel/index.ts")};
  import { makeModels } from ${url("../models/index.ts")};
  import { openDatabase } from ${url("../postgres/index.ts")};
  const card = { id: "openai/gpt-4o-mini", provider: "openai", model: "gpt-4o-mini", outputTokensMax: 100,
    baseUrl: ${JSON.stringify(provider.url)} };
  const call = { model: card.id, messages: [{ role: "user", text: "?" }], tools: [], outputTokensMax: 100 };
  const db = await openDatabase({ kind: "url", url: ${JSON.stringify(db.url)} });
  const id = await db.transaction((tx) => intend(tx, { runId: "1", attempt: 1, call, card }));
  await send(makeModels({ cards: [card], keys: {} }), id, call, {
    signal: new AbortController().signal, clock: systemClock, sleep: async () => {} });
`;

test("a call under way when its process is killed is booked as our loss", async () => {
  const runId = "1" as RunId;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", worker], { stdio: "inherit" });
  await provider.arrived(1);
  const [before] = await listCalls(db, runId);
  expect(before).toMatchObject({ state: "intended", outcome: null });
  expect(provider.requests[0]?.headers["idempotency-key"]).toBe(before?.id);
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  expect(await statementOf(db, runId)).toMatchObject({ cost: 0n, loss: 0n });
  expect(await db.transaction((tx) => reconcile(tx, runId))).toEqual([before?.id]);
  expect(await statementOf(db, runId)).toMatchObject({ cost: 0n, loss: before?.hold, calls: 1 });
  expect(before?.hold).toBeGreaterThan(0n);
});
