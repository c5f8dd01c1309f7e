/**
 * Commits an order with its effect and delivers it, in a process of its own that kills itself before the n-th
 * thing it does to the outside. Arguments: database url, receiver url; n is waited for on stdin, so that
 * processes can be started ahead.
 */
import { text } from "node:stream/consumers";
import type { QueryConfig } from "pg";
import { commit, emit, emptyChangeSet, stage } from "../changes/index.ts";
import { must, type RunId } from "../kernel/index.ts";
import { type Database, openDatabase, type Transaction } from "../postgres/index.ts";
import { type Channel, startDeliverer, webhook } from "./index.ts";

const [url, receiver] = process.argv.slice(2);
const fatal = Number(await text(process.stdin));
let acts = 0;

/** Dies at the fatal one. SIGKILL may take a moment to arrive: nothing goes on meanwhile. */
async function act(): Promise<void> {
  acts += 1;
  if (acts < fatal) return;
  process.kill(process.pid, "SIGKILL");
  await new Promise(() => {});
}

/** What comes after one is before the next. */
async function before<T>(work: () => Promise<T>): Promise<T> {
  await act();
  return await work();
}

/** The database with each statement, commit and answer an act. */
function counted(real: Database): Database {
  const overClient = (client: Transaction["client"]): Transaction["client"] => {
    const query = (config: QueryConfig) => before(() => client.query(config));
    return new Proxy(client, {
      get: (on, name) => (name === "query" ? query : (Reflect.get(on, name) as unknown)),
    });
  };
  return {
    url: real.url,
    query: (sql, params) => before(() => real.query(sql, params)),
    session: () => real.session(),
    deferred: (...given) => real.deferred(...given),
    statement: (prepared) => before(() => real.statement(prepared)),
    sessionAs: (...given) => real.sessionAs(...given),
    close: () => real.close(),
    transaction: (fn, options) =>
      before(() =>
        real.transaction(async (tx) => {
          const value = await fn({
            client: overClient(tx.client),
            query: (sql, params) => tx.query(sql, params),
          });
          await act();
          return value;
        }, options),
      ),
  };
}

const db = await openDatabase({ kind: "url", url: must(url, "the database's url") });
const options = { tables: ["public.orders"], effects: ["hook"] };
const { changes } = await stage(db, emptyChangeSet, options, async (tx) => {
  await tx.query("insert into public.orders values ($1)", [fatal]);
  await emit(tx, { channel: "hook", body: fatal });
});
const mortal = counted(db);
const about = { runId: "1" as RunId, attempt: 1, agent: "clerk", because: "a test" };
await mortal.transaction((tx) => commit(tx, changes, about));
const hook = webhook({
  url: must(receiver, "the receiver's url"),
  secret: `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
});
const deliver: Channel["deliver"] = (delivery, signal) =>
  before(async () => (await hook.deliver(delivery, signal)) ?? "");
const deliverer = startDeliverer({ db: mortal, channels: { hook: { deliver } }, leaseMs: 200, sweepMs: 10 });
await deliverer.drained();
await deliverer.stop();
await db.close();
