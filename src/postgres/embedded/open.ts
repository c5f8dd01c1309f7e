import { setTimeout as sleep } from "node:timers/promises";
import { Client, escapeIdentifier } from "pg";
import { lock } from "proper-lockfile";
import { FactotumError, must } from "../../kernel/index.ts";
import type { Source } from "../database.ts";
import { isConnectionFault, sqlStateOf } from "../errors.ts";
import { type Binaries, prepareBinaries } from "./binaries.ts";
import { makeCluster, passwordOf, SUPERUSER } from "./cluster.ts";
import { chooseHome, type Home } from "./home.ts";
import { findRunning, type Running, startServer, stopServer } from "./server.ts";

/** What an embedded server needs to be told. */
export type EmbeddedOptions = {
  readonly directory: string;
  readonly database?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly say?: (line: string) => void;
};

const ANSWER_TRIES = 200;
const ANSWER_RETRY_MS = 50;
const LOCK_STALE_MS = 5000;

/** Finds or starts the server of a folder, and keeps one connection to it as a sign of use. */
export async function openEmbedded(options: EmbeddedOptions, name: string): Promise<Source> {
  const say = options.say ?? (() => {});
  const database = options.database ?? "factotum";
  const home = chooseHome(options.directory);
  if (home.directory !== home.asked) say(`the embedded Postgres lives in ${home.directory}`);
  let binaries: Binaries | undefined;
  let keeper: Client | undefined;
  let repairing: Promise<string> | undefined;

  const find = async (): Promise<string> => {
    const running = findRunning(home);
    const url = running?.ready === true ? addressOf(home, running, database) : undefined;
    if (url !== undefined && (await hold(url))) return url;
    return await locked(home, async () => {
      const started = await startUnderLock();
      const found = must(addressOf(home, started, database), "the embedded server's password");
      await makeDatabase(found, database);
      if (!(await hold(found))) throw unusable(home);
      return found;
    });
  };
  const startUnderLock = async (): Promise<Running> => {
    const running = await answering(home);
    if (running !== undefined) return running;
    binaries ??= prepareBinaries(home, say);
    await makeCluster(home, binaries, say);
    return await startServer(home, binaries, options.settings ?? {});
  };
  const hold = async (url: string): Promise<boolean> => {
    const client = await connect(url, name);
    if (client === undefined) return false;
    void keeper?.end().catch(() => {});
    keeper = client;
    return true;
  };
  return {
    ensure: async () => {
      repairing ??= find().finally(() => (repairing = undefined));
      return await repairing;
    },
    close: async () => {
      await locked(home, async () => {
        await leave(home, keeper, name);
      });
    },
  };
}

/** The last user stops the server; whoever connects at that moment starts it again. */
async function leave(home: Home, keeper: Client | undefined, name: string): Promise<void> {
  if (keeper === undefined) return;
  try {
    const { rows } = await keeper.query<{ others: boolean }>(
      `select exists (select from pg_stat_activity
         where backend_type = 'client backend' and application_name <> $1) as others`,
      [name],
    );
    await keeper.end();
    const running = findRunning(home);
    if (rows[0]?.others === false && running !== undefined) await stopServer(home, running.pid);
  } catch (error) {
    if (!isConnectionFault(error)) throw error;
  }
}

/** Waits for a server that is starting or recovering; undefined when there is none. */
async function answering(home: Home): Promise<Running | undefined> {
  for (let tries = 0; tries < ANSWER_TRIES; tries += 1) {
    const running = findRunning(home);
    if (running === undefined) return undefined;
    const url = running.ready ? addressOf(home, running, "postgres") : undefined;
    const client = url === undefined ? undefined : await connect(url, "factotum probe");
    if (client !== undefined) {
      await client.end();
      return running;
    }
    await sleep(ANSWER_RETRY_MS);
  }
  throw unusable(home);
}

async function connect(url: string, name: string): Promise<Client | undefined> {
  const client = new Client({ connectionString: url, application_name: name, keepAlive: true });
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    if (isConnectionFault(error) || sqlStateOf(error) === "3D000") return undefined;
    throw error;
  }
}

async function makeDatabase(url: string, database: string): Promise<void> {
  const admin = new URL(url);
  admin.pathname = "/postgres";
  const client = new Client({ connectionString: admin.href });
  await client.connect();
  try {
    const found = await client.query("select from pg_database where datname = $1", [database]);
    if (found.rowCount === 0) await client.query(`create database ${escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

function addressOf(home: Home, running: Running, database: string): string | undefined {
  const password = passwordOf(home);
  if (password === undefined) return undefined;
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${running.port}/${encodeURIComponent(database)}`;
}

/** One process at a time makes, starts or stops the server of a folder. */
async function locked<T>(home: Home, work: () => Promise<T>): Promise<T> {
  const release = await lock(home.directory, {
    lockfilePath: `${home.directory}/start.lock`,
    stale: LOCK_STALE_MS,
    retries: { retries: 600, factor: 1, minTimeout: 50, maxTimeout: 100 },
    onCompromised: () => {},
  });
  try {
    return await work();
  } finally {
    await release().catch(() => {});
  }
}

function unusable(home: Home): FactotumError {
  return new FactotumError({
    code: "server-unusable",
    retry: "later",
    message: `the embedded Postgres in ${home.directory} does not answer; see ${home.directory}/postgres.log`,
  });
}
