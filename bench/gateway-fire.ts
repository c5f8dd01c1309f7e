/**
 * The gateway's books under fire:
 *
 *   npm run --silent bench:fire -- [--requests 10000] [--rounds 2] [--kills 6] [--streams 1000] [--seed 1]
 *
 * Four parts, each with a budget of its own. `tight` and `roomy`: that many clients at once, each with a
 * connection of its own and so many calls one after the other, through four replicas, while replicas are
 * killed by SIGKILL at random moments and others take their place; who lost an answer, or was refused for
 * want of money, asks again. The tight cap is what four fifths of the calls cost; the roomy one has room for
 * the most that all can cost, and for what kills leave unaccounted. `streams`: streams at once whose clients
 * leave after a random number of pieces. `cuts`: the provider cuts a stream off after each of its chunks.
 * Clients are processes of 2,500, the provider is one, and counts what reaches it.
 *
 * Right is: `overCap`, `stuck`, `unaudited`, `off`, `missing` and `handlesMore` are all 0. `off` is, in
 * micro-USD, what rows differ by from what they should come to: in the first parts those of the replicas that
 * were never killed, from what the provider counted of each. `handlesMore` is what a replica has open after
 * the streams that it had not before them, by what it is at the other end.
 */
import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { migrate, openDatabase } from "factotum/postgres";
import { benchFolder } from "./bench-folder.ts";
import { handlesOf } from "./fire-handles.ts";
import { type Replica, Stage, started, SPARED, within } from "./fire-stage.ts";
import { CHUNKS, type Counts, type FromClient, type ToClient, USAGE } from "./fire-words.ts";
import { seeded } from "./seeded.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    requests: { type: "string", default: "10000" },
    rounds: { type: "string", default: "2" },
    kills: { type: "string", default: "6" },
    streams: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
  },
});
const [requests, rounds, kills, wanted] = [given.requests, given.rounds, given.kills, given.streams].map(
  Number,
) as [number, number, number, number];

/** At $1 and $10 a million. */
const PRICE = USAGE.input + USAGE.output * 10;
/** The most that a request can cost: its bytes and a frame as input, a hundred tokens of output. */
const MOST = 5_300;
const CLIENTS_EACH = 2_500;
const KILL_MS_MAX = 3_000;
/** Streams before the others: what a replica opens once and for all is then open. */
const WARM = 100;
const random = seeded(Number(given.seed));

type Task = Pick<Extract<ToClient, { kind: "ask" | "leave" }>, "kind" | "rounds" | "secret">;

/** Clients in as many processes as they need. */
class Crowd {
  readonly #children: ChildProcess[] = [];
  readonly #counts = new Map<ChildProcess, Counts>();
  readonly answered = new Map<string, string[]>();

  /** Has them work. @returns when all are done */
  async work(stage: Stage, task: Task, clients: number): Promise<void> {
    const shares: number[] = [];
    for (let left = clients; left > 0; left -= CLIENTS_EACH) shares.push(Math.min(left, CLIENTS_EACH));
    const all = await Promise.all(
      shares.map(async (share) => ({ share, child: (await started("fire-client.ts")).child })),
    );
    await Promise.all(
      all.map(async ({ share, child }) => {
        this.#children.push(child);
        const done = new Promise<void>((resolve, reject) => {
          child.on("message", (told: FromClient) => {
            this.#counts.set(child, told.counts);
            if (told.answered === null) return;
            for (const [name, ids] of Object.entries(told.answered)) {
              this.answered.set(name, [...(this.answered.get(name) ?? []), ...ids]);
            }
            resolve();
          });
          child.once("exit", (code) => reject(new Error(`a process of clients ended with ${code}`)));
        });
        const seed = Math.floor(random() * 2 ** 31);
        this.#tell(child, { ...task, clients: share, places: placesOf(stage.replicas), seed });
        await done;
        const over = once(child, "exit");
        child.disconnect();
        await over;
      }),
    );
  }

  say(said: ToClient): void {
    for (const child of this.#children) if (child.connected) this.#tell(child, said);
  }

  get counts(): Counts {
    const sum = { answered: 0, refused: 0, lost: 0, gaveUp: 0, left: 0 };
    for (const one of this.#counts.values()) {
      for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += one[name];
    }
    return sum;
  }

  #tell(child: ChildProcess, said: ToClient): void {
    child.send(said);
  }
}

function placesOf(replicas: readonly Replica[]) {
  return replicas.map(({ name, url }) => ({ name, url }));
}

async function money(stage: Stage, name: string, cap: number) {
  const budget = `${name}/all`;
  const secret = await stage.keyTo(budget, cap);
  stage.tell({ kind: "part", expect: requests, hangs: false, seed: 1 });
  const crowd = new Crowd();
  const load = { over: false };
  const tellPlaces = (): void => crowd.say({ kind: "places", places: placesOf(stage.replicas) });
  const begunAt = performance.now();
  let killed = 0;
  const killing = (async () => {
    while (killed < kills) {
      await setTimeout(random() * KILL_MS_MAX);
      if (load.over) return;
      if (stage.killOne(tellPlaces)) killed += 1;
      tellPlaces();
    }
  })();
  await crowd.work(stage, { kind: "ask", rounds, secret }, requests);
  const seconds = (performance.now() - begunAt) / 1000;
  load.over = true;
  await killing;
  await stage.whole();
  const stuck = await stage.stuck(budget);
  const { total, by, atOnceMax } = await stage.countedInTheEnd();
  let [off, uncrashed] = [0, 0];
  for (const { name: replica } of stage.all.slice(0, SPARED)) {
    const prefix = (crowd.answered.get(replica)?.[0] ?? "none").replace(/[^-]*$/, "");
    const sent = by[replica] ?? 0;
    await within(async () => (await stage.bookedThrough(prefix, budget)).rows >= sent);
    const rows = await stage.bookedThrough(prefix, budget);
    off += Math.abs(rows.amount - sent * PRICE) + Math.abs(rows.rows - sent);
    uncrashed += sent;
  }
  const spent = await stage.spent(budget);
  const labels = Object.fromEntries((await stage.booked(budget)).map((one) => [one.label, one.rows]));
  return {
    ...{ clients: requests, calls: requests * rounds, ...crowd.counts, kills: killed },
    ...{ upstream: total, atOnceMax, uncrashed, labels, seconds: Math.round(seconds) },
    ...{ cap, upstreamCost: total * PRICE, spent },
    overCap: Math.max(0, total * PRICE - cap, spent - cap, total * PRICE - spent),
    ...{ stuck, off, unaudited: await stage.unaudited() },
  };
}

async function streams(stage: Stage) {
  const budget = "streams/all";
  const secret = await stage.keyTo(budget, 1_000_000_000_000);
  await wave(stage, secret, WARM);
  const opened = openIn(stage);
  const { counted, counts } = await wave(stage, secret, wanted);
  const rows = async (): Promise<number> =>
    (await stage.booked(budget)).reduce((sum, one) => sum + one.rows, 0);
  await within(async () => (await rows()) >= counted.total + WARM);
  const stuck = await stage.stuck(budget);
  const booked = await stage.booked(budget);
  const amount = booked.reduce((sum, one) => sum + one.amount, 0);
  const answered = booked.find(({ label }) => label === "answered");
  await within(async () => Object.keys(more(opened, openIn(stage))).length === 0);
  return {
    ...{ streams: wanted, upstream: counted.total, atOnceMax: counted.atOnceMax, ...counts },
    labels: Object.fromEntries(booked.map((one) => [one.label, one.rows])),
    missing: Math.abs(counted.total + WARM - (await rows())),
    stuck,
    off:
      Math.abs((await stage.spent(budget)) - amount) +
      Math.abs((answered?.amount ?? 0) - (answered?.rows ?? 0) * PRICE),
    handlesMore: more(opened, openIn(stage)),
  };
}

/** Streams at once, whose clients leave: some by themselves, and whoever waits for more when told. */
async function wave(stage: Stage, secret: string, count: number) {
  stage.tell({ kind: "part", expect: count, hangs: true, seed: Math.floor(random() * 2 ** 31) });
  const crowd = new Crowd();
  const working = crowd.work(stage, { kind: "leave", rounds: 1, secret }, count);
  await within(async () => (await stage.counted()).total >= count);
  await within(async () => {
    const { answered, left } = crowd.counts;
    await setTimeout(1_000);
    return answered + left === crowd.counts.answered + crowd.counts.left;
  });
  crowd.say({ kind: "go" });
  await working;
  return { counted: await stage.countedInTheEnd(), counts: crowd.counts };
}

function openIn(stage: Stage): readonly Record<string, number>[] {
  return stage.replicas.map(({ process: { pid }, url }) => handlesOf(pid, portsOf(stage, url)));
}

function portsOf(stage: Stage, url: string): Readonly<Record<string, number>> {
  const port = (address: string): number => Number(new URL(address).port);
  return { clients: port(url), provider: port(stage.provider.first), postgres: port(stage.db.url) };
}

/** What any replica has more of than before. */
function more(before: readonly Record<string, number>[], now: typeof before) {
  const found: Record<string, number> = {};
  now.forEach((one, at) => {
    for (const [name, count] of Object.entries(one)) {
      const extra = count - (before[at]?.[name] ?? 0);
      if (extra > 0) found[name] = Math.max(found[name] ?? 0, extra);
    }
  });
  return found;
}

async function cuts(stage: Stage) {
  const secret = await stage.keyTo("cuts/all", 1_000_000_000);
  stage.tell({ kind: "part", expect: 1, hangs: false, seed: 1 });
  for (let after = 1; after <= CHUNKS; after += 1) {
    stage.tell({ kind: "cut", after });
    const answer = await fetch(`${stage.replicas[0]?.url ?? ""}/v1/chat/completions`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
      body: JSON.stringify({ model: "small", max_tokens: 100, messages: [], stream: true }),
    });
    await answer.text();
  }
  await within(async () => (await stage.booked("cuts/all")).some(({ rows }) => rows >= CHUNKS));
  const booked = await stage.booked("cuts/all");
  const labels = Object.fromEntries(booked.map(({ label, rows }) => [label, rows]));
  const amount = booked.reduce((sum, one) => sum + one.amount, 0);
  const stuck = await stage.stuck("cuts/all");
  return {
    ...{ cuts: CHUNKS, labels, missing: CHUNKS - (labels["cut"] ?? 0), stuck },
    off: Math.abs((await stage.spent("cuts/all")) - amount),
  };
}

const settings = { max_connections: "300" };
const db = await openDatabase({ kind: "embedded", directory: benchFolder(), settings });
await migrate(db);
const stage = new Stage(db, await started("fire-provider.ts"), random);
try {
  await stage.open();
  const calls = requests * rounds;
  const found = {
    tight: await money(stage, "tight", Math.floor(calls * 0.8) * PRICE),
    roomy: await money(stage, "roomy", (calls + kills * requests) * MOST),
    ...{ streams: await streams(stage), cuts: await cuts(stage) },
  };
  console.log(JSON.stringify(found, null, given.json ? 0 : 2));
} finally {
  stage.close();
  await db.close();
}
