import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { pipeline } from "node:stream";
import { expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { type Database, openDatabase, type PostgresError, sqlStateOf } from "./index.ts";

async function withTable(): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query("create table thing (id int primary key, n int not null default 0 check (n >= 0))");
  return db;
}

/** Ends a backend from another connection, as an administrator or a failing server would. */
async function terminate(db: Database, pid: unknown): Promise<void> {
  await db.query("select pg_terminate_backend($1::int, 5000)", [pid]);
}

test("a row written in a transaction is read back, and one rolled back is not", async () => {
  const db = await withTable();
  await db.transaction(async (tx) => await tx.query("insert into thing values ($1)", [1]));
  const failing = db.transaction(async (tx) => {
    await tx.query("insert into thing values (2)");
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect((await db.query("select id from thing")).rows).toEqual([{ id: 1 }]);
});

test("int8 and numeric stay text, timestamptz is a Date, several statements give all rows", async () => {
  const db = await throwawayDatabase();
  const { rows } = await db.query(
    "select 9007199254740993::int8 as big, 0.10::numeric as n, 'epoch'::timestamptz as at",
  );
  expect(rows).toEqual([{ big: "9007199254740993", n: "0.10", at: new Date(0) }]);
  expect(await db.query("select 1 as n; select 2 as n")).toEqual({ rows: [{ n: 1 }, { n: 2 }], rowCount: 2 });
});

test("a refused statement says which constraint, one sent by the driver's own client too", async () => {
  const db = await withTable();
  const fault = { sqlState: "23514", constraint: "thing_n_check", table: "thing" };
  const expected = { code: "constraint-violated", retry: "never", fault };
  await expect(db.query("insert into thing values (1, -1)")).rejects.toMatchObject(expected);
  const raw = db.transaction(async (tx) => await tx.client.query("insert into thing values (1, -1)"));
  await expect(raw).rejects.toMatchObject(expected);
  const error: unknown = await db.query("select nothing").catch((thrown: unknown) => thrown);
  expect(sqlStateOf(error)).toBe("42703");
});

test("an error swallowed inside a transaction is told at its end, not taken for a commit", async () => {
  const db = await withTable();
  const swallowed = db.transaction(async (tx) => {
    await tx.query("insert into thing values (1)");
    await tx.query("insert into thing values (1)").catch(() => {});
  });
  await expect(swallowed).rejects.toMatchObject({ code: "transaction-aborted" });
  expect((await db.query("select from thing")).rowCount).toBe(0);
});

test("a check deferred to the commit fails the transaction, and the connection stays usable", async () => {
  const db = await withTable();
  await db.query("create table part (thing int references thing deferrable initially deferred)");
  const late = db.transaction(async (tx) => await tx.query("insert into part values (7)"));
  await expect(late).rejects.toMatchObject({ code: "constraint-violated", fault: { sqlState: "23503" } });
  expect((await db.query("select from part")).rowCount).toBe(0);
});

test("a transaction object kept for later refuses, instead of writing into somebody else's", async () => {
  const db = await withTable();
  const kept = await db.transaction(async (tx) => Promise.resolve(tx));
  await expect(kept.query("insert into thing values (1)")).rejects.toMatchObject({
    code: "transaction-ended",
  });
});

test("a serialization failure runs the function again as often as it allows", async () => {
  const db = await withTable();
  await db.query("insert into thing values (1)");
  let tries = 0;
  const raise = async (retries: number): Promise<void> =>
    await db.transaction(
      async (tx) => {
        tries += 1;
        await tx.query("select n from thing");
        if (tries < 3) await db.query("update thing set n = n + 1");
        await tx.query("update thing set n = n + 10");
      },
      { isolation: "repeatable read", retries },
    );
  await expect(raise(0)).rejects.toMatchObject({ code: "serialization-failed", retry: "later" });
  tries = 0;
  await raise(5);
  expect(tries).toBe(3);
  expect((await db.query("select n from thing")).rows).toEqual([{ n: 13 }]);
});

test("a read-only transaction refuses to write", async () => {
  const db = await withTable();
  const write = db.transaction(async (tx) => await tx.query("insert into thing values (1)"), {
    readOnly: true,
  });
  await expect(write).rejects.toMatchObject({ code: "read-only" });
});

test("a connection that dies in a transaction loses it and nothing else", async () => {
  const db = await withTable();
  const cut = db.transaction(async (tx) => {
    await tx.query("insert into thing values (1)");
    const { rows } = await tx.query("select pg_backend_pid() as pid");
    await terminate(db, rows[0]?.["pid"]);
    await tx.query("insert into thing values (2)");
  });
  await expect(cut).rejects.toMatchObject({ code: "connection-lost", retry: "later" });
  expect((await db.query("select from thing")).rowCount).toBe(0);
});

test("a connection that dies while committing is an unknown outcome, never called a failure", async () => {
  const db = await withTable();
  // The trigger runs inside COMMIT, where the server ends the session that it runs in.
  await db.query(`
    create function die() returns trigger language plpgsql as
      $$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end $$;
    create constraint trigger die after insert on thing deferrable initially deferred
      for each row execute function die()`);
  const unknown = db.transaction(async (tx) => await tx.query("insert into thing values (1)"));
  await expect(unknown).rejects.toMatchObject({ code: "commit-unknown", retry: "later" });
  expect((await db.query("select from thing")).rowCount).toBe(0);
});

test("a server that dies as it lets a client in refuses the work, and does not end the process", async () => {
  const real = new URL((await throwawayDatabase()).url);
  const said = (kind: string, body: string): Buffer => {
    const head = Buffer.alloc(5, kind);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, Buffer.from(body)]);
  };
  const fatal = "SFATAL\0VFATAL\0C57P02\0Mterminating connection due to postmaster exit\0\0";
  // What the driver may hear in one read: it is let in, and the server is gone.
  const words = Buffer.concat([said("R", "\0\0\0\0"), said("Z", "I"), said("E", fatal)]);
  let dies = false;
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (dies) socket.once("data", () => socket.end(words));
    else pipeline(socket, connect(Number(real.port), real.hostname), socket, () => {});
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = new URL(real);
  url.port = String((server.address() as AddressInfo).port);
  const db = await openDatabase({ kind: "url", url: url.href });
  await db.transaction(async () => {
    dies = true;
    await expect(db.query("select 1")).rejects.toMatchObject({ code: "connection-lost", retry: "later" });
  });
  await db.close();
  server.close();
});

test("idle connections that the server closed are replaced before anything is sent", async () => {
  const db = await withTable();
  const pids = await Promise.all(
    [1, 2, 3].map(async () => await db.query("select pg_backend_pid() as pid, pg_sleep(0.05)")),
  );
  const other = await openDatabase({ kind: "url", url: db.url });
  for (const { rows } of pids) await terminate(other, rows[0]?.["pid"]);
  await other.close();
  expect((await db.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
});

test("a released session keeps nothing for the next one, and a destroyed one frees its locks", async () => {
  const db = await withTable();
  const one = await db.session();
  await one.query("set factotum.mark to 'mine'");
  await one.query("create temp table scratch (n int)");
  await one.query("begin");
  await one.query("insert into thing values (1)");
  await one.release();
  await expect(one.query("select 1")).rejects.toMatchObject({ code: "transaction-ended" });
  const two = await db.session();
  const { rows } = await two.query(
    `select current_setting('factotum.mark', true) as mark, to_regclass('scratch') as scratch,
            current_setting('timezone') as zone, (select count(*)::int from thing) as things`,
  );
  expect(rows[0]).toMatchObject({ scratch: null, zone: "UTC", things: 0 });
  expect(rows[0]?.["mark"]).not.toBe("mine");

  await two.query("select pg_advisory_lock(7)");
  two.destroy();
  const three = await db.session();
  await three.query("select pg_advisory_lock(7)");
  await three.release();
});

test("closing ends sessions, waits for transactions in hand and refuses what comes after", async () => {
  const db = await withTable();
  await db.session();
  const entered = Promise.withResolvers<void>();
  const late = db.transaction(async (tx) => {
    await tx.query("insert into thing values (1)");
    entered.resolve();
    return (await tx.query("select count(*)::int as n from thing")).rows[0];
  });
  await entered.promise;
  await Promise.all([db.close(), expect(late).resolves.toEqual({ n: 1 })]);
  await expect(db.query("select 1")).rejects.toMatchObject({
    code: "database-closed",
  } satisfies Partial<PostgresError>);
});
