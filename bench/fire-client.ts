/**
 * Clients of `bench:fire`, a few thousand in a process of their own, each with a connection of its own. Told
 * a task they ask at once, tell how far they are, and in the end what came of it.
 */
import { setTimeout } from "node:timers/promises";
import { Agent, request } from "undici";
import { CHUNKS, type Counts, type FromClient, type Place, type ToClient } from "./fire-words.ts";
import { seeded } from "./seeded.ts";

const TELL_MS = 100;
const PAUSE_MS_MAX = 1_000;
/** So often one client asks again for one call before it gives up. */
const REFUSALS_MAX = 4;
const LOSSES_MAX = 30;

let places: readonly Place[] = [];
let random = seeded(1);
const counts: Counts = { answered: 0, refused: 0, lost: 0, gaveUp: 0, left: 0 };
const answered: Record<string, string[]> = {};
const leaving = new AbortController();
const agent = new Agent({ connections: null, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

function ask(place: Place, secret: string, stream: boolean, signal?: AbortSignal) {
  const messages = [{ role: "user", content: "x" }];
  return request(`${place.url}/v1/chat/completions`, {
    ...{ method: "POST", dispatcher: agent },
    headers: { authorization: `Bearer ${secret}`, "user-agent": place.name },
    body: JSON.stringify({ model: "small", max_tokens: 100, messages, stream }),
    ...(signal !== undefined && { signal }),
  });
}

/** One call, asked again until it is answered or given up. */
async function call(secret: string): Promise<void> {
  let [refusals, losses] = [0, 0];
  while (refusals < REFUSALS_MAX && losses < LOSSES_MAX) {
    const place = places[Math.floor(random() * places.length)];
    if (place === undefined) return;
    const answer = await ask(place, secret, false).catch(() => null);
    const text = await answer?.body.text().catch(() => null);
    if (answer?.statusCode === 200 && typeof text === "string") {
      counts.answered += 1;
      (answered[place.name] ??= []).push(String(answer.headers["x-factotum-call"]));
      return;
    }
    if (answer?.statusCode === 402) {
      counts.refused += 1;
      refusals += 1;
    } else {
      counts.lost += 1;
      losses += 1;
    }
    await setTimeout(random() * PAUSE_MS_MAX);
  }
  counts.gaveUp += 1;
}

/** One stream, left after a random number of its pieces, or when all are told to go. */
async function leave(secret: string, at: number): Promise<void> {
  const place = places[at % places.length];
  if (place === undefined) return;
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, leaving.signal]);
  const pieces = Math.floor(random() * (CHUNKS + 2));
  try {
    const { body } = await ask(place, secret, true, signal);
    let heard = 0;
    for await (const _ of body) {
      heard += 1;
      if (heard > pieces) gone.abort();
    }
    counts.answered += 1;
  } catch (error) {
    if (!signal.aborted) throw error;
    counts.left += 1;
  }
}

async function work(task: Extract<ToClient, { kind: "ask" | "leave" }>): Promise<void> {
  places = task.places;
  random = seeded(task.seed);
  await Promise.all(
    Array.from({ length: task.clients }, async (_, at) => {
      for (let round = 0; round < task.rounds; round += 1) {
        await (task.kind === "ask" ? call(task.secret) : leave(task.secret, at));
      }
    }),
  );
  await agent.destroy();
  process.send?.({ counts, answered } satisfies FromClient);
}

process.on("message", (said: ToClient) => {
  if (said.kind === "places") places = said.places;
  else if (said.kind === "go") leaving.abort();
  else void work(said);
});
process.on("disconnect", () => process.exit(0));
// The parent is gone sooner than this process hears of it.
process.on("error", () => process.exit(0));
setInterval(() => process.send?.({ counts, answered: null } satisfies FromClient), TELL_MS).unref();
process.send?.("ready");
