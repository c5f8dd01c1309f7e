/**
 * The gateway's books under fire:
 *
 *   npm run --silent bench:fire -- [--json] [--requests 10000] [--kills 8] [--streams 1000] [--seed 1]
 *
 * Four parts, each with a budget of its own. `tight` and `roomy`: that many requests at once through four
 * replicas, while replicas are killed by SIGKILL at random moments and others take their place. The tight cap
 * is what four fifths of them cost, so that few find room for the most they can cost; the roomy one has that
 * room for four fifths. `streams`: streams at once whose clients leave after a random number of pieces.
 * `cuts`: the provider cuts a stream off after each of its chunks. The provider counts what reaches it.
 *
 * Right is: `overCap`, `stuck`, `unaudited`, `off` and `missing` are all 0. `off` is, in micro-USD, what rows
 * differ by from what they should come to: in the first parts those of answers from replicas that were never
 * killed, from what the provider counted for them. `handlesMore` is what a replica has open that it had not
 * before the streams, once connections that are kept alive had time to end.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { makeKey } from "factotum/gateway";
import { microUsd } from "factotum/kernel";
import { auditBudgets, listBudgets, putBudget } from "factotum/ledger";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { cut, hang, reply, type ScriptedProvider, scriptedProvider } from "factotum/testing";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    requests: { type: "string", default: "10000" },
    kills: { type: "string", default: "8" },
    streams: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
  },
});

/** 20 input at $1, 4 output at $10 a million. */
const PRICE = 60;
const USAGE = { input: 20, output: 4 };
/** About the most that a request can cost: its bytes and a frame as input, ten tokens of output. */
const MOST = 4_400;
const REPLICAS = 4;
/** The first are never killed: the books of those are held against the provider's to the last unit. */
const SPARED = 2;
const CHUNKS = 5;
const WAIT_MS_MAX = 60_000;
const POLL_MS = 50;
const QUIET_MS = 1_000;

type Replica = { readonly url: string; readonly process: ChildProcess; killed: boolean };

/** A generator that a seed repeats (mulberry32). */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = makeRandom(Number(given.seed));

class Fire {
  readonly replicas: Replica[] = [];
  readonly all: Replica[] = [];
  readonly starting = new Set<Promise<void>>();
  readonly db: Database;
  readonly provider: ScriptedProvider;

  constructor(db: Database, provider: ScriptedProvider) {
    this.db = db;
    this.provider = provider;
  }

  async start(): Promise<void> {
    const file = join(import.meta.dirname, "..", "test", "fixtures", "gateway-replica.ts");
    const child = fork(file, [this.db.url, this.provider.url], {
      execArgv: ["--conditions=factotum-source"],
    });
    const [url] = (await once(child, "message")) as [string];
    const replica = { url, process: child, killed: false };
    this.replicas.push(replica);
    this.all.push(replica);
  }

  async killOne(): Promise<void> {
    const among = this.replicas.length - SPARED;
    const [doomed] = this.replicas.splice(SPARED + Math.floor(random() * among), 1);
    if (doomed === undefined) return;
    doomed.killed = true;
    doomed.process.kill("SIGKILL");
    const started: Promise<void> = this.start().finally(() => this.starting.delete(started));
    this.starting.add(started);
    if (this.replicas.length <= SPARED) await started;
  }

  async keyTo(budget: string, cap: number): Promise<string> {
    const { secret } = await this.db.transaction(async (tx) => {
      await putBudget(tx, budget, { cap: microUsd(cap) });
      return makeKey(tx, { name: budget, budget }, randomBytes);
    });
    const headers = { authorization: `Bearer ${secret}` };
    for (const { url } of this.replicas) {
      while (!(await fetch(`${url}/v1/models`, { headers })).ok) await setTimeout(POLL_MS);
    }
    return secret;
  }

  ask(url: string, secret: string, stream: boolean, signal?: AbortSignal): Promise<Response> {
    const messages = [{ role: "user", content: "x" }];
    return fetch(`${url}/v1/chat/completions`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
      body: JSON.stringify({ model: "small", max_tokens: 10, messages, stream }),
      ...(signal !== undefined && { signal }),
    });
  }

  /** Rows of a budget's attempts, by label. */
  async booked(budget: string) {
    const { rows } = await this.db.query<{ label: string; rows: number; amount: number }>(
      `select a.label, count(*)::int as rows, sum(a.amount_micro_usd)::float8 as amount
       from factotum.gateway_attempts a join factotum.gateway_keys k on k.id = a.key
       where k.name = $1 group by a.label order by a.label`,
      [budget],
    );
    return rows;
  }

  /** What is still held once everybody had time to settle. */
  async stuck(budget: string): Promise<number> {
    const held = async (): Promise<bigint> => (await listBudgets(this.db, budget))[0]?.held ?? -1n;
    await within(async () => (await held()) === 0n);
    return Number(await held());
  }

  /** What the provider got since: also what the killed sent, which it reads after their end. */
  async upstreamSince(before: number): Promise<number> {
    let seen = -1;
    await within(async () => {
      const settled = this.provider.requests.length === seen;
      seen = this.provider.requests.length;
      if (!settled) await setTimeout(QUIET_MS);
      return settled;
    });
    return seen - before;
  }

  async spent(budget: string): Promise<number> {
    return Number((await listBudgets(this.db, budget))[0]?.spent ?? 0n);
  }
}

/** Waits until it is so, or for the time that anything may take. */
async function within(done: () => Promise<boolean>): Promise<void> {
  const last = performance.now() + WAIT_MS_MAX;
  while (!(await done()) && performance.now() < last) await setTimeout(POLL_MS);
}

async function money(fire: Fire, part: string, each: number) {
  const requests = Number(given.requests);
  const cap = Math.floor(requests * 0.8) * each;
  const budget = `${part}/all`;
  const secret = await fire.keyTo(budget, cap);
  const killedBefore = fire.all.filter(({ killed }) => killed).length;
  const { provider } = fire;
  const before = provider.requests.length;
  provider.otherwise(() => reply("ok", USAGE));
  const counts = { answered: 0, refused: 0, lost: 0 };
  const answers: { readonly replica: Replica; readonly call: string }[] = [];
  const load = { over: false };
  const killing = (async () => {
    for (let count = 0; count < Number(given.kills) && !load.over; count += 1) {
      const share = (count + random()) / Number(given.kills);
      await within(
        async () => load.over || counts.answered + counts.lost + counts.refused > requests * share,
      );
      if (!load.over) await fire.killOne();
    }
  })();
  const one = async (count: number): Promise<void> => {
    const replica = fire.replicas[count % fire.replicas.length];
    if (replica === undefined) return;
    const answer = await fire.ask(replica.url, secret, false).catch(() => null);
    const text = await answer?.text().catch(() => null);
    if (answer?.status === 200 && typeof text === "string") {
      counts.answered += 1;
      answers.push({ replica, call: answer.headers.get("x-factotum-call") ?? "" });
    } else if (answer?.status === 402) counts.refused += 1;
    else counts.lost += 1;
  };
  await Promise.all(Array.from({ length: requests }, (_, count) => one(count)));
  load.over = true;
  await killing;
  await Promise.all(fire.starting);
  const stuck = await fire.stuck(budget);
  const upstream = await fire.upstreamSince(before);
  const lived = answers.filter(({ replica }) => !replica.killed).map(({ call }) => call);
  const known = async () =>
    (
      await fire.db.query<{ rows: number; amount: number }>(
        `select count(*)::int as rows, coalesce(sum(amount_micro_usd), 0)::float8 as amount
         from factotum.gateway_attempts where call_id = any($1) and label = 'answered'`,
        [lived],
      )
    ).rows[0] ?? { rows: 0, amount: 0 };
  await within(async () => (await known()).rows >= lived.length);
  const spent = await fire.spent(budget);
  const kills = fire.all.filter(({ killed }) => killed).length - killedBefore;
  return {
    ...{ requests, ...counts, upstream, kills },
    ...{ cap, upstreamCost: upstream * PRICE, spent, uncrashed: lived.length },
    overCap: Math.max(0, upstream * PRICE - cap, spent - cap, upstream * PRICE - spent),
    ...{ stuck, off: Math.abs((await known()).amount - lived.length * PRICE) },
    unaudited: (await fire.db.transaction((tx) => auditBudgets(tx))).length,
  };
}

async function streams(fire: Fire) {
  const wanted = Number(given.streams);
  const secret = await fire.keyTo("streams/all", 1_000_000_000);
  const { provider } = fire;
  const before = provider.requests.length;
  provider.otherwise(() =>
    random() < 0.5 ? hang({ afterChunks: Math.floor(random() * CHUNKS) + 1 }) : reply("a b c", USAGE),
  );
  const handles = fire.replicas.map(handlesOf);
  const clients = Array.from({ length: wanted }, () => new AbortController());
  const left = provider.arrived(before + wanted).then(() => clients.forEach((each) => each.abort()));
  await Promise.all(
    clients.map(async (client, count) => {
      const pieces = Math.floor(random() * CHUNKS);
      try {
        const url = fire.replicas[count % fire.replicas.length]?.url ?? "";
        const reader = (await fire.ask(url, secret, true, client.signal)).body?.getReader();
        for (let piece = 0; piece < pieces; piece += 1) if ((await reader?.read())?.done === true) return;
        client.abort();
      } catch (error) {
        if (!client.signal.aborted) throw error;
      }
    }),
  );
  await left;
  const rows = async (): Promise<number> =>
    (await fire.booked("streams/all")).reduce((sum, one) => sum + one.rows, 0);
  await within(async () => (await rows()) >= wanted);
  const stuck = await fire.stuck("streams/all");
  const booked = await fire.booked("streams/all");
  const amount = booked.reduce((sum, one) => sum + one.amount, 0);
  const more = (): number => Math.max(...fire.replicas.map((one, at) => handlesOf(one) - (handles[at] ?? 0)));
  await within(async () => more() <= 0);
  const upstream = await fire.upstreamSince(before);
  return {
    ...{ streams: wanted, upstream },
    labels: Object.fromEntries(booked.map((one) => [one.label, one.rows])),
    missing: Math.abs(upstream - (await rows())),
    ...{ stuck, off: Math.abs((await fire.spent("streams/all")) - amount) },
    handlesMore: more(),
  };
}

/** Files and sockets that a process has open; 0 where the system does not tell. */
function handlesOf({ process: child }: Replica): number {
  try {
    return readdirSync(`/proc/${child.pid}/fd`).length;
  } catch {
    return 0;
  }
}

async function cuts(fire: Fire) {
  const secret = await fire.keyTo("cuts/all", 1_000_000_000);
  for (let after = 1; after <= CHUNKS; after += 1) {
    fire.provider.script(cut({ afterChunks: after }));
    await (await fire.ask(fire.replicas[0]?.url ?? "", secret, true)).text();
  }
  await within(async () => (await fire.booked("cuts/all")).some(({ rows }) => rows >= CHUNKS));
  const booked = await fire.booked("cuts/all");
  const labels = Object.fromEntries(booked.map(({ label, rows }) => [label, rows]));
  return {
    cuts: CHUNKS,
    labels,
    missing: CHUNKS - (labels["cut"] ?? 0),
    stuck: await fire.stuck("cuts/all"),
  };
}

const folder = mkdtempSync(join(tmpdir(), "factotum-fire-"));
chmodSync(folder, 0o755);
const settings = { max_connections: "300" };
const db = await openDatabase({ kind: "embedded", directory: join(folder, "postgres"), settings });
await migrate(db);
const provider = await scriptedProvider();
const fire = new Fire(db, provider);
try {
  for (let count = 0; count < REPLICAS; count += 1) await fire.start();
  const found = {
    tight: await money(fire, "tight", PRICE),
    roomy: await money(fire, "roomy", MOST),
    ...{ streams: await streams(fire), cuts: await cuts(fire) },
  };
  console.log(JSON.stringify(found, null, given.json ? 0 : 2));
} finally {
  for (const { process: child } of fire.all) child.kill("SIGKILL");
  await provider.close();
  await db.close();
  rmSync(folder, { recursive: true, force: true });
}
