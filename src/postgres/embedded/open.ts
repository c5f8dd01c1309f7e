import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, escapeIdentifier } from "pg";
import { FactotumError, must } from "../../kernel/index.ts";
import { isConnectionFault, sqlStateOf, translated } from "../errors.ts";
import { type Binaries, prepareBinaries } from "./binaries.ts";
import { makeCluster, passwordOf, SUPERUSER } from "./cluster.ts";
import { chooseHome } from "./choose-home.ts";
import { withFolderLock } from "./folder-lock.ts";
import type { Home } from "./home.ts";
import { findRunning } from "./postmaster.ts";
import { startServer, stopServer } from "./server.ts";

/** What an embedded server needs to be told. */
export type EmbeddedOptions = {
  readonly directory: string;
  readonly database?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly say?: (line: string) => void;
};

/** A server of our own, found again whenever it is needed. */
export type Embedded = {
  /** Its address now; started or restarted where it does not run. */
  ensure(): Promise<string>;
  /** Stops it, unless somebody else is connected. */
  close(): Promise<void>;
};

const CLUSTER = "select system_identifier::text as id from pg_control_system()";
const ANSWER_TRIES = 1200;
const ANSWER_RETRY_MS = 50;
const LEAVE_TRIES = 5;
const LEAVE_RETRY_MS = 20;

/**
 * The embedded server of a folder. One connection is kept open as a sign of use, so that another
 * process which closes last, as it believes, does not stop the server under us.
 *
 * @param name tells our connections from those of others
 */
export function makeEmbedded(options: EmbeddedOptions, name: string): Embedded {
  const say = options.say ?? (() => {});
  const database = options.database ?? "factotum";
  const home = chooseHome(options.directory, say);
  let binaries: Binaries | undefined;
  let keeper: Client | undefined;
  /** Which cluster it was when first reached. */
  let made: string | undefined;
  let ensuring: Promise<string> | undefined;

  const start = async (): Promise<void> => {
    binaries ??= prepareBinaries(home, say);
    await makeCluster(home, binaries, say);
    await startServer(home, binaries, options.settings ?? {});
  };
  const ensure = async (): Promise<string> => {
    passwordOf(home);
    return await withFolderLock(home.directory, async () => {
      const { client, cluster } = await reach(home, database, name, start);
      made ??= cluster;
      if (made !== cluster) {
        await client.end();
        throw replaced(home);
      }
      const left = keeper;
      keeper = client;
      await left?.end().catch(() => {});
      return addressOf(home, client.port, database);
    });
  };
  return {
    ensure: async () => {
      ensuring ??= ensure().finally(() => (ensuring = undefined));
      return await ensuring;
    },
    close: async () => {
      await keeper?.end().catch(() => {});
      await withFolderLock(home.directory, async () => await leave(home, name));
    },
  };
}

/** A connection to the database, after starting the server and creating the database where missing. */
async function reach(
  home: Home,
  database: string,
  name: string,
  start: () => Promise<void>,
): Promise<Reached> {
  for (let tries = 0; tries < ANSWER_TRIES; tries += 1) {
    const running = findRunning(home);
    if (running === undefined) await start();
    if (running?.ready === true) {
      const found = await connect(addressOf(home, running.port, database), name);
      if (found.kind === "connected") return found;
      if (found.kind === "no-database") await createDatabase(home, running.port, database, name);
    }
    // Started just now is ready just now; anything else is starting, recovering or stopping.
    if (running !== undefined) await sleep(running.ready ? 1 : ANSWER_RETRY_MS);
  }
  throw new FactotumError({
    code: "server-unusable",
    retry: "later",
    message: `the embedded Postgres does not answer; its log is ${join(home.directory, "postgres.log")}`,
  });
}

/** Going on in a new, empty database as if it were the old one would lose work without a word. */
function replaced(home: Home): FactotumError {
  return new FactotumError({
    code: "database-replaced",
    retry: "never",
    message:
      `the database in ${home.directory} was deleted while this process used it; ` +
      "start the process again",
  });
}

/** `cluster` is what Postgres calls itself, from the day it is made until it is deleted. */
type Reached = { readonly client: Client; readonly cluster: string };
type Connected =
  | ({ readonly kind: "connected" } & Reached)
  | { readonly kind: "no-database" }
  | { readonly kind: "no-answer" };

async function connect(url: string, name: string): Promise<Connected> {
  const client = new Client({ connectionString: url, application_name: name, keepAlive: true });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ id: string }>(CLUSTER);
    return { kind: "connected", client, cluster: must(rows[0], "the row of a cluster").id };
  } catch (error) {
    if (sqlStateOf(error) === "3D000") return { kind: "no-database" };
    if (isConnectionFault(error)) return { kind: "no-answer" };
    throw translated(error);
  }
}

async function createDatabase(home: Home, port: number, database: string, name: string): Promise<void> {
  const found = await connect(addressOf(home, port, "postgres"), name);
  if (found.kind !== "connected") return;
  try {
    await found.client.query(`create database ${escapeIdentifier(database)}`);
  } finally {
    await found.client.end();
  }
}

/** Stops the server unless others are connected; whoever comes later starts it again. */
async function leave(home: Home, name: string): Promise<void> {
  const running = findRunning(home);
  if (running?.ready !== true) return;
  const found = await connect(addressOf(home, running.port, "postgres"), name);
  if (found.kind !== "connected") return;
  const used = await isUsed(found.client, name).catch(() => true);
  await found.client.end().catch(() => {});
  if (!used) await stopServer(home, running.pid);
}

/** Asked a few times, because somebody who left just now is still listed for some milliseconds. */
async function isUsed(client: Client, name: string): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const { rows } = await client.query<{ others: boolean }>(
      `select exists (select from pg_stat_activity
         where backend_type = 'client backend' and application_name <> $1) as others`,
      [name],
    );
    if (rows[0]?.others !== true) return false;
    if (tries === LEAVE_TRIES) return true;
    await sleep(LEAVE_RETRY_MS);
  }
}

function addressOf(home: Home, port: number, database: string): string {
  const password = must(passwordOf(home), `the file ${join(home.directory, "password")}`);
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}
