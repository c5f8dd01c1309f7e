/** The whole desk on a throw-away database, and the answers of a person who reads every notice right. */
import config from "../../examples/network-ops/factotum.config.ts";
import { makeBusiness } from "../../examples/network-ops/business/index.ts";
import { type DayItem, makeDay } from "../../examples/network-ops/day/index.ts";
import { fingerprint, readMail } from "../../examples/network-ops/intake/index.ts";
import { Notice } from "../../examples/network-ops/notice.ts";
import { toJson } from "factotum/kernel";
import { type Factotum, openFactotum } from "factotum/server";
import { throwawayDatabase } from "factotum/testing";

/** The example's day. */
const DAY = new Date("2026-03-02T07:00:00Z");

/** A message of the day as the desk takes it in. */
export type Message = { readonly item: DayItem; readonly notice: Notice; readonly key: string };

/** The example's queue, read the way the desk reads it. */
export async function messages(seed = 1): Promise<readonly Message[]> {
  const read: Message[] = [];
  for (const item of await makeDay(seed, makeBusiness(1, DAY), DAY)) {
    const notice = Notice.parse(await readMail(item.eml));
    read.push({ item, notice, key: fingerprint(notice) });
  }
  return read;
}

/** Opens the desk on a database of its own; the clock stands still at the day's beginning. */
export async function openDesk(): Promise<Factotum & { readonly url: string }> {
  const { url } = await throwawayDatabase();
  const clock = { at: DAY, rate: 0 };
  const desk = await openFactotum(
    { ...config, clock },
    { env: { DATABASE_URL: url }, directory: ".", say: () => {} },
  );
  await desk.prepare();
  return { ...desk, url };
}

/** Starts messages in the order given. */
export async function deliver(desk: Factotum, queue: readonly Message[]): Promise<void> {
  for (const { notice, key } of queue)
    await desk.start({ agent: "network-desk", key, input: toJson(notice) });
}

/** Answers every open card from the truth: a notice's statement, or nothing where nobody can be sure. */
export async function answerAll(desk: Factotum, all: readonly Message[]): Promise<number> {
  const open = await desk.inbox();
  for (const question of open) {
    const { run } = await desk.showRun(question.runId);
    const truth = all.find((message) => message.key === run.key)?.item.truth;
    const calls = truth?.kind === "states" ? [{ tool: "record_notice", input: toJson(truth.statement) }] : [];
    const given = calls.length > 0 ? { choice: "correct", calls } : { choice: "discard" };
    await desk.answer(question.id, { ...given, by: "ann" });
  }
  return open.length;
}

export { calendar } from "../../bench/month-life.ts";
