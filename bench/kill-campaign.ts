/** Workers killed at each thing that they send to the outside, and what came of their orders. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { must, type RunId } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { getRun, startRun } from "factotum/runs";
import { reply, scriptedProvider, type ScriptedProvider, type ScriptedRequest } from "factotum/testing";
import { deliver, openShop, type Scenario, scenarios, work } from "./kill-shop.ts";
import { type Fate, type KillProxy, type Manner, openKillProxy } from "./kill-proxy.ts";
import { seeded } from "./seeded.ts";

/** Which deaths to try: all of them, or so many of each kind, drawn by the seed. */
export type KillOptions = {
  readonly db: Database;
  readonly seed: number;
  readonly each: number | "all";
  readonly say?: (line: string) => void;
};

/** Deaths of one scenario in one manner. */
export type KillCount = {
  readonly scenario: Scenario;
  readonly manner: Manner;
  /** Things that an undisturbed worker sends. */
  readonly acts: number;
  readonly killed: number;
  /** Killed before anything of the order was committed, and after. */
  readonly uncommitted: number;
  readonly committed: number;
};

/** What a campaign found. */
export type KillReport = {
  readonly seed: number;
  readonly counts: readonly KillCount[];
  /** What was not as it must be, one sentence each. */
  readonly broken: readonly string[];
};

type Stage = KillOptions & {
  readonly provider: ScriptedProvider;
  readonly post: Post;
  /** Of database, provider and receiver. */
  readonly addresses: readonly string[];
  readonly mortals: Promise<Mortal>[];
};
type Point = { readonly scenario: Scenario; readonly manner: Manner; readonly fatal: number };
type Outcome = { readonly killed: boolean; readonly committed: boolean; readonly acts: number };

const MANNERS: readonly Manner[] = ["before", "after"];
const HEIR_SWEEP_MS = 20;
/** Longest life of a worker; it takes a second. */
const LIFE_MS_MAX = 60_000;
/** An act that an undisturbed worker never comes to. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Makes the shop in an empty, migrated database, and kills its workers. */
export async function killCampaign(options: KillOptions): Promise<KillReport> {
  const [provider, post] = await Promise.all([scriptedProvider(), openPost()]);
  provider.otherwise(sayNext);
  const addresses = [options.db.url, provider.url, post.url];
  const stage: Stage = { ...options, provider, post, addresses, mortals: [] };
  const random = seeded(options.seed);
  const broken: string[] = [];
  const counts: KillCount[] = [];
  try {
    await openShop(options.db);
    for (const scenario of scenarios) {
      const whole = await tryPoint(stage, { scenario, manner: "before", fatal: NEVER }, broken);
      for (const manner of MANNERS) {
        const found: Outcome[] = [];
        for (const fatal of chosen(whole.acts, options.each, random)) {
          found.push(await tryPoint(stage, { scenario, manner, fatal }, broken));
        }
        const died = found.filter((one) => one.killed);
        const committed = died.filter((one) => one.committed).length;
        const count = { scenario, manner, acts: whole.acts, killed: died.length, committed };
        counts.push({ ...count, uncommitted: died.length - committed });
        options.say?.(JSON.stringify(counts.at(-1)));
      }
    }
  } finally {
    for (const mortal of stage.mortals) await endMortal(await mortal);
    await provider.close();
    await post.close();
  }
  return { seed: options.seed, counts, broken };
}

/** Acts spread over all there are, one drawn from each stretch. */
function chosen(acts: number, each: number | "all", random: () => number): readonly number[] {
  const count = each === "all" ? acts : Math.min(each, acts);
  const stretch = acts / count;
  return Array.from({ length: count }, (_, at) => Math.floor((at + random()) * stretch) + 1);
}

/** One order: a worker that dies, a look at what it left, an heir, and a look at the end. */
async function tryPoint(stage: Stage, point: Point, broken: string[]): Promise<Outcome> {
  const { db } = stage;
  const tell = (what: string): void => {
    const line = `${point.scenario} killed ${point.manner} act ${point.fatal}: ${what}`;
    broken.push(line);
    stage.say?.(line);
  };
  const before = await books(stage);
  const wanted = { agent: point.scenario, agentVersion: 1, input: { quantity: 1 } };
  const { run } = await db.transaction((tx) => startRun(tx, wanted));
  const { killed, acts } = await runWorker(stage, point);
  const left = difference(before, await books(stage));
  const committed = left.sets === 1;
  if (!isAs(left, committed ? ORDERED : NOTHING)) tell(`half applied, ${JSON.stringify(left)}`);
  if (left.posted > 0 && !committed) tell("a letter left without its commit");
  await inherit(stage);
  const end = difference(before, await books(stage));
  if (!isAs(end, { ...ORDERED, delivered: 1, posted: 1 })) tell(`at the end ${JSON.stringify(end)}`);
  const { status, outcome } = await getRun(db, run.id);
  if (outcome !== "resolved") tell(`run ${run.id} is ${status}, ${outcome ?? "no outcome"}`);
  const loose = await remains(db, run.id);
  if (loose !== "") tell(`left behind ${loose}`);
  return { killed, committed, acts };
}

/** Processes that are started and wait for their turn: starting one takes longer than its work. */
const AHEAD = 2;

type Mortal = { readonly child: ChildProcess; readonly fate: Fate; readonly proxies: readonly KillProxy[] };

async function startMortal(addresses: readonly string[]): Promise<Mortal> {
  const { promise, resolve } = Promise.withResolvers<ChildProcess>();
  const strike = async (): Promise<void> => {
    (await promise).kill("SIGKILL");
  };
  const fate: Fate = { acts: 0, fatal: NEVER, manner: "before", strike, over: false };
  const proxies: KillProxy[] = [];
  const urls = addresses.map((one) => new URL(one));
  for (const url of urls) {
    const proxy = await openKillProxy({ host: "127.0.0.1", port: Number(url.port) }, fate);
    proxies.push(proxy);
    url.hostname = "127.0.0.1";
    url.port = String(proxy.port);
  }
  const program = join(import.meta.dirname, "kill-worker.ts");
  const child = fork(program, urls.map(String), { execArgv: ["--conditions=factotum-source"] });
  resolve(child);
  return { child, fate, proxies };
}

/** Lets a worker live until its fatal act. */
async function runWorker({ mortals, addresses }: Stage, { fatal, manner }: Point) {
  while (mortals.length <= AHEAD) mortals.push(startMortal(addresses));
  const { child, fate, proxies } = await must(mortals.shift(), "a worker");
  Object.assign(fate, { fatal, manner });
  child.send("begin");
  const lived = { signal: AbortSignal.timeout(LIFE_MS_MAX) };
  const [code, signal] = (await once(child, "exit", lived).catch((cause: unknown) => {
    throw new Error(`a worker neither died ${manner} act ${fatal} nor ended, at act ${fate.acts}`, { cause });
  })) as [number | null, NodeJS.Signals | null];
  await Promise.all(proxies.map((proxy) => proxy.close()));
  if (signal === null && code !== 0) throw new Error(`a worker ended with ${code}`);
  return { killed: signal === "SIGKILL", acts: fate.acts };
}

async function endMortal({ child, proxies }: Mortal): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  await Promise.all(proxies.map((proxy) => proxy.close()));
}

/** What a dead worker left is taken up by another process: this one. */
async function inherit({ db, provider, post }: Stage): Promise<void> {
  while ((await db.query("select from factotum.living_workers")).rowCount > 0);
  const heir = work(db, provider.url, HEIR_SWEEP_MS);
  await heir.drained();
  await heir.stop();
  const carrier = deliver(db, post.url, HEIR_SWEEP_MS);
  await carrier.drained();
  await carrier.stop();
}

type Books = Readonly<Record<keyof typeof NOTHING | "posted" | "delivered", number>>;
/** What is there, all of it or nothing, once an order is committed: two rows of the shop and one letter. */
const ORDERED = { stock: -1, orders: 1, sets: 1, rows: 3, values: 1, letters: 1 };
const NOTHING = { stock: 0, orders: 0, sets: 0, rows: 0, values: 0, letters: 0 };

/** All that an order leaves; of letters that came twice, one counts. */
async function books({ db, post }: Stage): Promise<Books> {
  const { rows } = await db.query<Omit<Books, "posted">>(
    `select (select left_over from shop.stock) as stock,
       (select count(*)::int from shop.orders) as orders,
       (select count(*)::int from factotum.change_sets) as sets,
       (select count(*)::int from factotum.change_rows) as rows,
       (select count(*)::int from factotum.entries where kind = 'value') as values,
       (select count(*)::int from factotum.deliveries) as letters,
       (select count(*)::int from factotum.deliveries where state = 'delivered') as delivered`,
  );
  return { ...must(rows[0], "the books"), posted: post.keys.size };
}

function difference(from: Books, to: Books): Books {
  const names = Object.keys(from) as (keyof Books)[];
  return Object.fromEntries(names.map((name) => [name, to[name] - from[name]])) as Books;
}

function isAs(found: Books, wanted: Partial<Books>): boolean {
  return Object.entries(wanted).every(([name, value]) => found[name as keyof Books] === value);
}

/** What must be gone when all is done: staged rows, captures, calls that nobody answers for. */
async function remains(db: Database, run: RunId): Promise<string> {
  const { rows } = await db.query<{ name: string }>(
    `select 'captures' as name from factotum.captured
     union all select 'staging' from factotum.staging
     union all select 'a call' from factotum.calls where run_id = $1 and state = 'intended'`,
    [run],
  );
  return rows.map((row) => row.name).join(", ");
}

/** A model that forgets nothing: what it answers follows from the conversation alone. */
function sayNext({ body }: ScriptedRequest) {
  const said = JSON.stringify(body);
  if (said.includes('"name":"verdict"'))
    return reply([{ name: "verdict", arguments: { verdict: "pass", because: "fine" } }]);
  return said.includes('"role":"assistant"')
    ? reply([{ name: "finish", arguments: { unsure: [] } }])
    : reply([{ name: "place_order", arguments: { quantity: 1 } }]);
}

/** Where letters arrive. */
type Post = { readonly url: string; readonly keys: ReadonlySet<string>; close(): Promise<void> };

async function openPost(): Promise<Post> {
  const keys = new Set<string>();
  const server = createServer((request, response) => {
    keys.add(String(request.headers["idempotency-key"]));
    request.resume().on("end", () => response.end("thanks"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    keys,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
