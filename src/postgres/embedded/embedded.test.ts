import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, expect, test } from "vitest";
import { type Database, openDatabase } from "../index.ts";
import { canEnter } from "./home.ts";

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65_534, gid: 65_534 };
const fixture = join(import.meta.dirname, "..", "..", "..", "test", "fixtures", "database-user.ts");

const folders: string[] = [];
const children: ChildProcess[] = [];
const databases: Database[] = [];

/** A folder that any user may enter, gone at the end with the server in it. */
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "factotum-embedded-"));
  chmodSync(path, 0o755);
  folders.push(path);
  return path;
}

async function open(directory: string, say?: (line: string) => void): Promise<Database> {
  const db = await openDatabase({ kind: "embedded", directory, ...(say !== undefined && { say }) });
  databases.push(db);
  return db;
}

type User = { readonly ask: (command: object) => Promise<unknown>; readonly kill: () => Promise<void> };

/** Another process, by default of our own user. */
function user(identity?: { uid: number; gid: number }): User {
  const child = spawn(process.execPath, [fixture], {
    ...identity,
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (command) => {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const { value } = await answers.next();
      const answer = JSON.parse(value ?? '{"error":"it ended"}') as { ok?: unknown; error?: object };
      if (answer.error !== undefined) throw Object.assign(new Error("in the other process"), answer.error);
      return answer.ok;
    },
    kill: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const pidOf = (directory: string): number => {
  const path = join(directory, "data", "postmaster.pid");
  return existsSync(path) ? Number(readFileSync(path, "utf8").split("\n")[0]) : 0;
};

afterEach(async () => {
  await Promise.all(databases.splice(0).map((db) => db.close()));
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

afterAll(() => {
  for (const path of folders) {
    const pid = pidOf(path);
    if (pid > 0) process.kill(pid, "SIGKILL");
    rmSync(path, { recursive: true, force: true });
  }
});

test("two processes that open an empty folder at once share one server", async () => {
  const directory = folder();
  const [one, two] = [user(), user()];
  await Promise.all([one.ask({ kind: "open", directory }), two.ask({ kind: "open", directory })]);
  const applied = await Promise.all([one.ask({ kind: "migrate" }), two.ask({ kind: "migrate" })]);
  expect(applied.flat().length).toBe(new Set(applied.flat()).size);
  await one.ask({ kind: "query", sql: "create table seen as select 1 as n" });
  expect(await two.ask({ kind: "query", sql: "select n from seen" })).toEqual([{ n: 1 }]);

  const started = "select pg_postmaster_start_time()::text as at";
  const before = await two.ask({ kind: "query", sql: started });
  await one.ask({ kind: "close" });
  expect(await two.ask({ kind: "query", sql: started })).toEqual(before);
  await two.ask({ kind: "close" });
  expect(pidOf(directory)).toBe(0);

  // A starter that is killed leaves the server to the others; the last of them stops it.
  const [three, four] = [user(), user()];
  await three.ask({ kind: "open", directory });
  await four.ask({ kind: "open", directory });
  await three.kill();
  expect(await four.ask({ kind: "query", sql: "select n from seen" })).toEqual([{ n: 1 }]);
  await four.ask({ kind: "close" });
  expect(pidOf(directory)).toBe(0);
});

test("a server killed in use is started again, and nothing committed is lost", async () => {
  const directory = folder();
  const db = await open(directory);
  await db.query("create table kept (n int)");
  await db.query("insert into kept values (1)");
  const busy = db.query("select count(*) from generate_series(1, 10000000000) as n");
  const cut = db.transaction(async (tx) => {
    await tx.query("insert into kept values (2)");
    process.kill(pidOf(directory), "SIGKILL");
    for (;;) await tx.query("select pg_sleep(0.05)");
  });
  await expect(cut).rejects.toMatchObject({ code: "connection-lost", retry: "later" });
  // The busy child of the killed server does not notice; the new server can start only once it is ended.
  const [again] = await Promise.all([
    db.query("select n from kept"),
    expect(busy).rejects.toMatchObject({ code: "connection-lost" }),
  ]);
  expect(again.rows).toEqual([{ n: 1 }]);

  process.kill(pidOf(directory), "SIGKILL");
  const other = await open(directory);
  await other.transaction(async (tx) => await tx.query("insert into kept values (3)"));
  expect((await db.query("select n from kept order by n")).rows).toEqual([{ n: 1 }, { n: 3 }]);
});

test("a folder deleted in use is not mistaken for the one it was", async () => {
  const directory = folder();
  const db = await open(directory);
  await db.query("create table kept (n int)");
  const pid = pidOf(directory);
  rmSync(directory, { recursive: true });
  process.kill(pid, "SIGKILL");
  const fresh = await open(directory);
  expect((await fresh.query("select to_regclass('kept') as kept")).rows).toEqual([{ kept: null }]);
  await expect(db.query("select 1")).rejects.toMatchObject({
    ...{
      code: "database-replaced",
      retry: "never",
      message: expect.stringContaining("start the process again"),
    },
  });
});

test("what a killed process left is cleared away, and a reused process number is seen through", async () => {
  const directory = folder();
  mkdirSync(join(directory, "data.partial-dead"));
  writeFileSync(join(directory, "data.partial-dead", "half"), "");
  mkdirSync(join(directory, "server.lock"));
  const dead = spawnSync(process.execPath, ["--version"]).pid;
  writeFileSync(join(directory, "server.lock.owner"), `${hostname()}\n${dead}\n`);
  const db = await open(directory);
  const port = Number(new URL(db.url).port);
  await db.close();
  expect(readdirSync(directory)).not.toContain("data.partial-dead");
  expect(readdirSync(directory).filter((name) => name.startsWith("server.lock"))).toEqual([]);
  expect(statSync(join(directory, "password")).mode & 0o077).toBe(0);

  // This test's own process holds the number that the file names, and a stranger holds the port.
  writeFileSync(join(directory, "data", "postmaster.pid"), `${process.pid}\n\n\n${port}\n\n\n\nready\n`);
  const stranger = createServer().listen(port, "127.0.0.1");
  const again = await open(directory);
  stranger.close();
  expect(Number(new URL(again.url).port)).not.toBe(port);
  expect((await again.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
});

test("a folder that cannot be used is named with what to do", async () => {
  const directory = folder();
  writeFileSync(join(directory, "file"), "");
  await expect(open(join(directory, "file"))).rejects.toMatchObject({
    code: "folder-refused",
    retry: "never",
  });
  mkdirSync(join(directory, "other", "data"), { recursive: true });
  await expect(open(join(directory, "other"))).rejects.toThrow(
    /holds no Postgres database; put it back, or delete/,
  );
  mkdirSync(join(directory, "lost", "data"), { recursive: true });
  writeFileSync(join(directory, "lost", "data", "PG_VERSION"), "18\n");
  await expect(open(join(directory, "lost"))).rejects.toThrow(/password is gone; put it back, or delete/);
});

test.runIf(isRoot)("root's server runs unprivileged, in a folder that its user can enter", async () => {
  const closed = folder();
  chmodSync(closed, 0o700);
  const said: string[] = [];
  const db = await open(join(closed, "deep"), (line) => void said.push(line));
  const { rows } = await db.query<{ directory: string }>(
    "select current_setting('data_directory') as directory",
  );
  const data = rows[0]?.directory ?? "";
  folders.push(join(data, ".."));
  expect(data).toMatch(/^\/var\/tmp\/factotum-[0-9a-f]{12}\/data$/);
  expect(said[0]).toContain(data.slice(0, -"/data".length));
  expect(statSync(data).uid).toBe(nobody.uid);
  expect(readFileSync(join(closed, "deep", "MOVED.txt"), "utf8")).toContain("/var/tmp/factotum-");

  await db.query("create table kept as select 1 as n");
  await db.close();
  const same = await open(join(closed, "deep"));
  expect((await same.query("select n from kept")).rows).toEqual([{ n: 1 }]);
  await same.close();

  // Deleting the folder deletes the database, and yet what it held is kept aside.
  rmSync(join(closed, "deep"), { recursive: true });
  const fresh = await open(join(closed, "deep"), (line) => void said.push(line));
  const aside = said.find((line) => line.includes("is kept in"))?.match(/\/var\/tmp\/[\w-]+/)?.[0] ?? "";
  folders.push(aside);
  expect(existsSync(join(aside, "data", "PG_VERSION"))).toBe(true);
  expect((await fresh.query("select to_regclass('kept') as kept")).rows).toEqual([{ kept: null }]);
});

const canDrop =
  isRoot && canEnter(join(fixture, ".."), nobody) && canEnter(join(process.execPath, ".."), nobody);

test.runIf(canDrop)(
  "an ordinary user's server is found by root, and root's is refused to the user",
  async () => {
    const theirs = folder();
    chownSync(theirs, nobody.uid, nobody.gid);
    const one = user(nobody);
    await one.ask({ kind: "open", directory: theirs });
    await one.ask({ kind: "query", sql: "create table mine as select 1 as n" });
    const root = await open(theirs);
    expect((await root.query("select n from mine")).rows).toEqual([{ n: 1 }]);
    await one.ask({ kind: "close" });
    await root.close();
    expect(statSync(join(theirs, "password")).uid).toBe(nobody.uid);

    expect(statSync(join(theirs, "data")).uid).toBe(nobody.uid);
    const ours = folder();
    await (await open(ours)).close();
    expect(statSync(join(ours, "password")).uid).toBe(0);
    const refused = user(nobody).ask({ kind: "open", directory: ours });
    await expect(refused).rejects.toMatchObject({ code: "folder-refused", retry: "never" });
  },
);
