/** The workers of a crash campaign, each behind a proxy of its own, and what is done to them. */
import { type ChildProcess, fork } from "node:child_process";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "factotum/postgres";
import { compileCache } from "../test/built.ts";
import type { Blow, Mishap } from "./chaos-takeovers.ts";
import { type CuttingProxy, openCuttingProxy } from "./cutting-proxy.ts";

/** What workers are started with. */
export type CrewOptions = {
  readonly db: Database;
  readonly workers: number;
  readonly leaseMs: number;
  /** Arguments of the program between the database's address and its numbers. */
  readonly addresses: readonly string[];
  readonly numbers: readonly number[];
  /** Told what is done, and what workers say. */
  readonly say: (line: string) => void;
};

/** A place in the crew: a worker that ends there is followed by another, as by a supervisor. */
type Place = {
  readonly proxy: CuttingProxy;
  child: ChildProcess;
  name: string;
  up: boolean;
  paused: boolean;
};

/** Workers in processes, and blows to them. */
export type Crew = {
  readonly size: number;
  readonly blows: readonly Blow[];
  readonly mishaps: Mishap[];
  /** Resolves when every place has a worker that is up and not paused. */
  whole(): Promise<void>;
  /** Kills the worker at a place; undefined where there is none, or it stands still. */
  kill(at: number, alone?: boolean): Promise<Blow | undefined>;
  /** Stops the worker at a place for longer than its lease; undefined where no other could work meanwhile. */
  pause(at: number, alone?: boolean): Promise<Blow | undefined>;
  /** Cuts connections, each that `chosen` says; answers how many. */
  cut(chosen: () => boolean): Promise<number>;
  /** The place of the worker that has most runs in hand. */
  busiest(): Promise<number>;
  close(): Promise<void>;
};

/** A pause lasts this many leases: the worker wakes up overtaken. */
const PAUSE_LEASES = 1.4;
const LOOK_MS = 100;
const program = join(import.meta.dirname, "chaos-worker.ts");
// What TypeScript is stripped to is kept from one worker to the next: a published one starts as fast.
const env = { ...process.env, NODE_COMPILE_CACHE: compileCache };

/** Starts the workers; the first ones are up a while later. */
export async function openCrew(options: CrewOptions): Promise<Crew> {
  const { db, say } = options;
  const blows: Blow[] = [];
  const mishaps: Mishap[] = [];
  const places: Place[] = [];
  let over = false;

  const spawn = (at: number, proxy: CuttingProxy): void => {
    const url = new URL(db.url);
    url.host = `127.0.0.1:${proxy.port}`;
    const args = [url.href, ...options.addresses, ...options.numbers.map(String)];
    const child = fork(program, args, { env, execArgv: ["--conditions=factotum-source"] });
    const place: Place = { proxy, child, name: `${hostname()}:${child.pid}`, up: false, paused: false };
    places[at] = place;
    child.on("message", (line: string) => {
      if (line === "up") place.up = true;
      say(`${place.name} ${line}`);
    });
    child.once("exit", () => {
      if (!over) spawn(at, proxy);
    });
  };
  const able = (): readonly Place[] => places.filter(({ up, paused }) => up && !paused);
  /** What the worker had in hand at `since`, on the monotonic clock, and when that was by the server's. */
  const strike = async (kind: Blow["kind"], { name }: Place, alone: boolean): Promise<Blow | undefined> => {
    const since = performance.now();
    const others = able().filter((place) => place.name !== name).length;
    const { rows } = await insist(() =>
      db.query<{ atMs: number; runs: string[] }>(
        `select extract(epoch from factotum.now())::float8 * 1000 - $2 as "atMs",
           array(select r.id::text from factotum.runs r
             join factotum.workers w on w.id = r.worker where w.name = $1) as runs`,
        [name, performance.now() - since],
      ),
    );
    const [row] = rows;
    if (row === undefined) return undefined;
    const blow = { kind, worker: name, others, alone, ...row };
    blows.push(blow);
    mishaps.push({ worker: name, atMs: row.atMs });
    say(`${kind} ${name} with ${row.runs.length} runs`);
    return blow;
  };

  for (let at = 0; at < options.workers; at += 1) {
    const target = (): { host: string; port: number } => {
      const { hostname: host, port } = new URL(db.url);
      return { host, port: Number(port) };
    };
    spawn(at, await openCuttingProxy(target));
  }
  return {
    ...{ size: options.workers, blows, mishaps },
    whole: async () => {
      while (able().length < places.length) await delay(LOOK_MS);
    },
    kill: async (at, alone = false) => {
      const place = places[at];
      if (place === undefined || !able().includes(place)) return undefined;
      place.up = false;
      place.child.kill("SIGKILL");
      return await strike("kill", place, alone);
    },
    pause: async (at, alone = false) => {
      const place = places[at];
      if (place === undefined || !able().includes(place) || able().length < 2) return undefined;
      place.paused = true;
      place.child.kill("SIGSTOP");
      setTimeout(() => {
        say(`resume ${place.name}`);
        place.child.kill("SIGCONT");
        place.paused = false;
      }, options.leaseMs * PAUSE_LEASES);
      return await strike("pause", place, alone);
    },
    cut: async (chosen) => {
      const { rows } = await insist(() => db.query<{ atMs: number }>(NOW));
      let cuts = 0;
      for (const { name, proxy } of places) {
        const cut = proxy.cut(chosen);
        if (cut > 0) for (const row of rows) mishaps.push({ worker: name, ...row });
        cuts += cut;
      }
      say(`cut ${cuts} connections`);
      return cuts;
    },
    busiest: async () => {
      const { rows } = await insist(() =>
        db.query<{ name: string }>(
          `select w.name from factotum.runs r join factotum.workers w on w.id = r.worker
           group by w.name order by count(*) desc`,
        ),
      );
      const at = rows.map(({ name }) => places.findIndex((place) => place.name === name));
      return at.find((place) => place >= 0) ?? 0;
    },
    close: async () => {
      over = true;
      for (const { child } of places) child.kill("SIGKILL");
      await Promise.all(places.map(({ proxy }) => proxy.close()));
    },
  };
}

const NOW = `select extract(epoch from factotum.now())::float8 * 1000 as "atMs"`;

/** The campaign's own statements meet the server while it restarts; each of them may be repeated. */
export async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (tries === 20) throw error;
      await delay(100);
    }
  }
}

/** When it is by the server's business clock. */
export async function nowMs(db: Database): Promise<number> {
  const { rows } = await insist(() => db.query<{ atMs: number }>(NOW));
  return rows[0]?.atMs ?? 0;
}
