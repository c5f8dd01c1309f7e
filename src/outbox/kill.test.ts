import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { attach } from "../changes/index.ts";
import { must } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { effectsOf } from "./committing.test.kit.ts";
import { startDeliverer, webhook } from "./index.ts";
import { type Receiver, startReceiver } from "./receiver.test.kit.ts";

/** Things that committing and delivering one effect do to the outside: statements, a commit, a request. */
const ACTS_MIN = 12;

async function workspace(): Promise<Database> {
  const db = await throwawayDatabase();
  await db.query("create table public.orders (id int primary key)");
  await db.transaction((tx) => attach(tx, ["public.orders"]));
  return db;
}

/** Processes that are started and wait for their turn: starting one takes longer than its work. */
const AHEAD = 4;

/** Runs one process after the other. */
function mortals(
  db: Database,
  receiver: Receiver,
): { readonly run: (fatal: number) => Promise<boolean>; readonly end: () => void } {
  const program = join(import.meta.dirname, "killed.test.child.ts");
  const start = () =>
    spawn(process.execPath, ["--conditions=factotum-source", program, db.url, receiver.url], {
      stdio: ["pipe", "inherit", "inherit"],
    });
  const waiting = Array.from({ length: AHEAD }, start);
  return {
    run: (fatal) => {
      waiting.push(start());
      return runChild(must(waiting.shift(), "a process"), fatal);
    },
    end: () => {
      for (const child of waiting) child.kill("SIGKILL");
    },
  };
}

/** @returns whether it was killed */
async function runChild(child: ChildProcessByStdio<Writable, null, null>, fatal: number): Promise<boolean> {
  child.stdin.end(String(fatal));
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  expect([0, null]).toContain(code);
  return signal === "SIGKILL";
}

/** What was committed and is not through goes out by another process. */
async function inherit(db: Database, receiver: Receiver): Promise<void> {
  const hook = webhook({ url: receiver.url, secret: `whsec_${Buffer.alloc(32, 7).toString("base64")}` });
  const heir = startDeliverer({ db, channels: { hook }, sweepMs: 10 });
  await heir.drained();
  await heir.stop();
}

test("killed at any step of commit and delivery: nothing goes out uncommitted, nothing is lost", async () => {
  const db = await workspace();
  const receiver = await startReceiver();
  onTestFinished(() => receiver.close());
  const { run, end } = mortals(db, receiver);
  onTestFinished(end);
  let fatal = 0;
  let repeated = 0;
  let uncommitted = 0;
  for (let killed = true; killed;) {
    fatal += 1;
    killed = await run(fatal);
    await inherit(db, receiver);
    const committed = (await db.query("select from orders where id = $1", [fatal])).rowCount === 1;
    const effects = (await effectsOf(db)).filter((one) => one.body === fatal);
    const requests = receiver.received.filter((one) => one.body === String(fatal));
    const story = `killed at act ${fatal}`;
    expect(
      effects.map((one) => one.state),
      story,
    ).toEqual(committed ? ["delivered"] : []);
    expect(requests.length > 0, story).toBe(committed);
    expect(
      requests.every((one) => one.key === effects[0]?.key),
      story,
    ).toBe(true);
    if (requests.length > 1) repeated += 1;
    if (!committed) uncommitted += 1;
  }
  expect(fatal).toBeGreaterThan(ACTS_MIN);
  // Killed before the commit, and between the request and writing down that it was answered.
  expect(uncommitted).toBeGreaterThan(ACTS_MIN / 4);
  expect(repeated).toBeGreaterThan(0);
}, 300_000);
