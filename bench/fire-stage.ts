import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { makeKey } from "factotum/gateway";
import { microUsd } from "factotum/kernel";
import { auditBudgets, listBudgets, putBudget } from "factotum/ledger";
import type { Database } from "factotum/postgres";
import type { FromProvider, Place, ToProvider } from "./fire-words.ts";

/** A replica in a process of its own. */
export type Replica = Place & { readonly process: ChildProcess; killed: boolean };

/** The first are never killed: the books of those are held against the provider's to the last unit. */
export const SPARED = 2;
const REPLICAS = 4;
const WAIT_MS_MAX = 90_000;
const POLL_MS = 100;
const QUIET_MS = 1_000;

/** Waits until it is so, or for the time that anything may take. */
export async function within(done: () => Promise<boolean>): Promise<void> {
  const last = performance.now() + WAIT_MS_MAX;
  while (!(await done()) && performance.now() < last) await setTimeout(POLL_MS);
}

/** Starts a module of this folder's, or a fixture, and answers it with the first thing that it says. */
export async function started(file: string, args: readonly string[] = []) {
  const path = join(import.meta.dirname, file);
  const child = fork(path, [...args], { execArgv: ["--conditions=factotum-source"] });
  const [first] = (await once(child, "message")) as [string];
  return { child, first };
}

/** Replicas over one database and one provider. */
export class Stage {
  /** Those that live. */
  readonly replicas: Replica[] = [];
  readonly all: Replica[] = [];
  readonly db: Database;
  readonly #provider: { readonly child: ChildProcess; readonly first: string };
  readonly #random: () => number;
  readonly #starting = new Set<Promise<void>>();

  /** @param provider `fire-provider.ts`, started */
  constructor(db: Database, provider: Stage["provider"], random: () => number) {
    this.db = db;
    this.#provider = provider;
    this.#random = random;
  }

  get provider(): { readonly child: ChildProcess; readonly first: string } {
    return this.#provider;
  }

  async open(): Promise<void> {
    for (let count = 0; count < REPLICAS; count += 1) await this.#start();
  }

  async #start(): Promise<void> {
    const { child, first } = await started("../test/fixtures/gateway-replica.ts", [
      this.db.url,
      this.#provider.first,
    ]);
    const replica = { name: `fire-${this.all.length}`, url: first, process: child, killed: false };
    this.replicas.push(replica);
    this.all.push(replica);
  }

  /** Kills one that may be, if any lives, and starts another in its place. @returns whether one was killed */
  killOne(born: () => void): boolean {
    const at = SPARED + Math.floor(this.#random() * (this.replicas.length - SPARED));
    const [doomed] = this.replicas.splice(at, 1);
    if (doomed === undefined) return false;
    doomed.killed = true;
    doomed.process.kill("SIGKILL");
    const starting: Promise<void> = this.#start()
      .then(born)
      .finally(() => this.#starting.delete(starting));
    this.#starting.add(starting);
    return true;
  }

  /** Waits for those that take the place of killed ones. */
  async whole(): Promise<void> {
    while (this.#starting.size > 0) await Promise.all(this.#starting);
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

  tell(said: ToProvider): void {
    this.#provider.child.send(said);
  }

  /** What the provider has counted since the part began. */
  async counted(): Promise<FromProvider> {
    this.tell({ kind: "counts" });
    const [told] = (await once(this.#provider.child, "message")) as [FromProvider];
    return told;
  }

  /** The same, once nothing more comes: the provider reads what killed replicas sent after their end, too. */
  async countedInTheEnd(): Promise<FromProvider> {
    let found = await this.counted();
    await within(async () => {
      await setTimeout(QUIET_MS);
      const before = found.total;
      found = await this.counted();
      return found.total === before;
    });
    return found;
  }

  /** Rows and money of a budget's attempts, by label. */
  async booked(budget: string) {
    const { rows } = await this.db.query<{ label: string; rows: number; amount: number }>(
      `select a.label, count(*)::int as rows, sum(a.amount_micro_usd)::float8 as amount
       from factotum.gateway_attempts a join factotum.gateway_keys k on k.id = a.key
       where k.name = $1 group by a.label order by a.label`,
      [budget],
    );
    return rows;
  }

  /** The same of one replica's calls, whose ids all begin alike. */
  async bookedThrough(prefix: string, budget: string) {
    const { rows } = await this.db.query<{ rows: number; amount: number }>(
      `select count(*)::int as rows, coalesce(sum(a.amount_micro_usd), 0)::float8 as amount
       from factotum.gateway_attempts a join factotum.gateway_keys k on k.id = a.key
       where k.name = $2 and starts_with(a.call_id, $1)`,
      [prefix, budget],
    );
    return rows[0] ?? { rows: 0, amount: 0 };
  }

  /** What is still held once everybody had time to settle. */
  async stuck(budget: string): Promise<number> {
    const held = async (): Promise<bigint> => (await listBudgets(this.db, budget))[0]?.held ?? -1n;
    await within(async () => (await held()) === 0n);
    return Number(await held());
  }

  async spent(budget: string): Promise<number> {
    return Number((await listBudgets(this.db, budget))[0]?.spent ?? 0n);
  }

  /** How many budgets are not what their entries say. */
  async unaudited(): Promise<number> {
    return (await this.db.transaction((tx) => auditBudgets(tx))).length;
  }

  close(): void {
    for (const { process: child } of this.all) child.kill("SIGKILL");
    this.#provider.child.kill("SIGKILL");
  }
}
