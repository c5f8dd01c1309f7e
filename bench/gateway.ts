/**
 * What a call through the gateway costs, beside its peers:
 *
 *   npm run --silent bench:gateway -- [--json] [--rounds 3] [--seconds 3] [--connections 64]
 *     [--requests 100000] [--only gateway,pipe] [--kinds json] [--profile DIRECTORY]
 *
 * The gateway, `@portkey-ai/gateway` (installed into a cache folder from npm), a bare node:http + undici pipe
 * and nginx are each pinned to core 0 and take turns; the provider, the load and Postgres share core 1.
 * Everything that the gateway can check is on: a key with a rate limit and a budget, metering into Postgres.
 * Processor time per call is the process's own, from the kernel. The added time to the first token is that of
 * streams through the gateway less that of streams asked of the provider at once, both begun at one steady
 * rate. What the bare pipe reaches beside Portkey (`pipeToPortkey`), and what it adds to the first token
 * (`pipeFirstTokenAddedMs`), bounds every gateway on node:http. Memory drifts from a tenth of `--requests` to
 * their end. A peer that is not installed is null.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeKey } from "factotum/gateway";
import { microUsd } from "factotum/kernel";
import { putBudget } from "factotum/ledger";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { benchFolder } from "./bench-folder.ts";
import { firstTokens, load, type Order } from "./gateway-load.ts";
import {
  cpuSecondsOf,
  pinned,
  rssMbOf,
  startModule,
  startNginx,
  startPortkey,
  type Subject,
} from "./gateway-peers.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    connections: { type: "string", default: "64" },
    requests: { type: "string", default: "100000" },
    only: { type: "string", default: "portkey,gateway,pipe,nginx" },
    kinds: { type: "string", default: "json,sse" },
    profile: { type: "string" },
  },
});
const SUBJECT_CORE = 0;
const OTHER_CORE = 1;
const FIRST_TOKENS_PER_S = 100;
/** Not counted: the compiler of a JavaScript engine is busy for so long, with any of them. */
const WARM_ROUNDS = 3;
const PATH = "/v1/chat/completions";

type Measure = { readonly perS: number; readonly cpuUs: number; readonly busy: number };
type Kind = "json" | "sse";
const KINDS: readonly Kind[] = (["json", "sse"] as const).filter((kind) => given.kinds.includes(kind));

async function measure(subject: Subject, kind: Kind): Promise<Measure> {
  const { port, path, headers } = subject;
  const pid = subject.process.pid ?? 0;
  const before = cpuSecondsOf(pid);
  const order = { port, path, headers, stream: kind === "sse" };
  const done = await load(order, Number(given.connections), { seconds: Number(given.seconds) });
  // What is written down behind a call belongs to it.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const cpu = cpuSecondsOf(pid) - before;
  if (done.wrong > 0) process.stderr.write(`${subject.name} answered ${done.wrong} ${kind} calls wrongly\n`);
  return {
    perS: done.answered / done.seconds,
    cpuUs: (cpu * 1e6) / done.answered,
    busy: cpu / done.seconds,
  };
}

async function prepare(db: Database): Promise<string> {
  await migrate(db);
  return db.transaction(async (tx) => {
    await putBudget(tx, "bench/team", { cap: microUsd(1_000_000_000_000) });

    const rates = { requestsPerMinute: 100_000_000, tokensPerMinute: 1_000_000_000_000 };
    const made = await makeKey(tx, { name: "bench", budget: "bench/team", ...rates }, randomBytes);
    return made.secret;
  });
}

/** Starts what is asked for, and can be had. */
async function startAll(db: Database, folder: string, upstream: number): Promise<readonly Subject[]> {
  const secret = await prepare(db);
  const only = new Set(given.only.split(","));
  const base = `http://127.0.0.1:${upstream}/v1`;
  const flags = given.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${given.profile}`];
  const first = await startModule("gateway-subject.ts", OTHER_CORE, [db.url, base]);
  first.child.kill("SIGTERM");
  await ended(first.child);
  // Its code is compiled now, as that of an installed package is: no compiler is in memory with it.
  const ours = await startModule("gateway-subject.ts", SUBJECT_CORE, [db.url, base], flags);
  const found: (Subject | null)[] = [
    {
      ...{ name: "gateway", port: ours.port, path: PATH, process: ours.child },
      headers: { authorization: `Bearer ${secret}` },
    },
  ];
  if (only.has("pipe")) {
    const pipe = await startModule("gateway-pipe.ts", SUBJECT_CORE, [`http://127.0.0.1:${upstream}`]);
    const headers = { authorization: "Bearer bench-upstream-key" };
    found.push({ name: "pipe", port: pipe.port, path: PATH, headers, process: pipe.child });
  }
  if (only.has("portkey")) found.push(await startPortkey(SUBJECT_CORE, base));
  if (only.has("nginx")) found.push(await startNginx(SUBJECT_CORE, folder, upstream));
  return found.filter((subject) => subject !== null);
}

type Rounds = ReadonlyMap<Subject["name"], Readonly<Record<Kind, readonly Measure[]>>>;

async function takeTurns(subjects: readonly Subject[]): Promise<Rounds> {
  const found = new Map(
    subjects.map(({ name }) => [name, { json: [] as Measure[], sse: [] as Measure[] }] as const),
  );
  for (let round = -WARM_ROUNDS; round < Number(given.rounds); round += 1) {
    for (const subject of subjects) {
      for (const kind of KINDS) {
        const measured = await measure(subject, kind);
        if (round >= 0) found.get(subject.name)?.[kind].push(measured);
      }
    }
  }
  return found;
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN;
const round = (value: number, digits: number): number => Number(value.toFixed(digits));

function ratio(
  rounds: Rounds,
  kind: Kind,
  field: "perS" | "cpuUs",
  peer: Subject["name"],
  subject: Subject["name"] = "gateway",
): number | null {
  const ours = rounds.get(subject)?.[kind];
  const theirs = rounds.get(peer)?.[kind];
  if (ours === undefined || theirs === undefined) return null;
  const ratios = ours.map((one, at) => one[field] / (theirs[at]?.[field] ?? NaN));
  return round(percentile(ratios, 0.5), 2);
}

function figuresOf(rounds: Rounds, kind: Kind) {
  return {
    perS: round(
      percentile(
        (rounds.get("gateway")?.[kind] ?? []).map(({ perS }) => perS),
        0.5,
      ),
      0,
    ),
    ratioToPortkey: ratio(rounds, kind, "perS", "portkey"),
    cpuRatioToPipe: ratio(rounds, kind, "cpuUs", "pipe"),
    cpuRatioToNginx: ratio(rounds, kind, "cpuUs", "nginx"),
    pipeToPortkey: ratio(rounds, kind, "perS", "portkey", "pipe"),
  };
}

function tell(rounds: Rounds): void {
  const rows = [...rounds].flatMap(([name, kinds]) =>
    KINDS.map((kind) => {
      const middle = (field: keyof Measure): number =>
        percentile(
          kinds[kind].map((one) => one[field]),
          0.5,
        );
      return {
        ...{ name, kind, perS: round(middle("perS"), 0), cpuUs: round(middle("cpuUs"), 1) },
        coreBusy: round(middle("busy"), 2),
      };
    }),
  );
  console.table(rows);
}

async function drift(subject: Subject): Promise<{ readonly rssMb: number; readonly rssDrift: number }> {
  const { port, path, headers } = subject;
  const pid = subject.process.pid ?? 0;
  const order: Order = { port, path, headers, stream: false };
  const wanted = Number(given.requests);
  const connections = Number(given.connections);
  await load(order, connections, { answers: Math.ceil(wanted / 10) });
  const early = rssMbOf(pid);
  await load(order, connections, { answers: wanted - Math.ceil(wanted / 10) });
  const late = rssMbOf(pid);
  return { rssMb: round(late, 1), rssDrift: round((late - early) / early, 3) };
}

type Added = { readonly p50: number; readonly p99: number };

/** What the gateway and the pipe add to the first token, asked in turns with the provider. */
async function added(subjects: readonly Subject[], upstream: number): Promise<readonly (Added | null)[]> {
  const asked = (["gateway", "pipe"] as const).map((name) => subjects.find((one) => one.name === name));
  const through = asked.filter((one) => one !== undefined);
  const orders = through.map(({ port, path, headers }) => ({ port, path, headers, stream: true }));
  const [direct = [], ...found] = await firstTokens(
    [{ port: upstream, path: PATH, headers: {}, stream: true }, ...orders],
    FIRST_TOKENS_PER_S,
    Number(given.seconds) * Number(given.rounds),
  );
  return asked.map((subject) => {
    const times = subject === undefined ? undefined : found[through.indexOf(subject)];
    if (times === undefined) return null;
    const over = (share: number): number => round(percentile(times, share) - percentile(direct, share), 2);
    return { p50: over(0.5), p99: over(0.99) };
  });
}

async function main(folder: string): Promise<void> {
  if (pinned(OTHER_CORE).length > 0) {
    execFileSync("taskset", ["-a", "-c", "-p", String(OTHER_CORE), String(process.pid)], { stdio: "ignore" });
  } else process.stderr.write("processes cannot be pinned here, so ratios are rough\n");
  const db = await openDatabase({ kind: "embedded", directory: join(folder, "postgres") });
  const upstream = await startModule("gateway-upstream.ts", OTHER_CORE, []);
  const subjects = await startAll(db, folder, upstream.port);
  try {
    const rounds = await takeTurns(subjects);
    const ours = subjects.find(({ name }) => name === "gateway");
    if (ours === undefined) throw new Error("the gateway did not start");
    if (!given.json) tell(rounds);
    const [firstTokenAddedMs, pipeFirstTokenAddedMs] = await added(subjects, upstream.port);
    const figures = {
      ...{ json: figuresOf(rounds, "json"), sse: figuresOf(rounds, "sse") },
      ...{ firstTokenAddedMs, pipeFirstTokenAddedMs },
      ...(await drift(ours)),
    };
    console.log(JSON.stringify(figures, null, given.json ? 0 : 2));
  } finally {
    for (const { process: child } of subjects) child.kill("SIGTERM");
    await Promise.all(subjects.map(async ({ process: child }) => ended(child)));
    upstream.child.kill();
    await db.close();
  }
}

async function ended(child: Subject["process"]): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once("exit", resolve));
}

await main(benchFolder());
