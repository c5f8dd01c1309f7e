import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { builtCommand, compileCache } from "../../test/built.ts";
import { throwawayDatabase } from "../testing/index.ts";

const root = join(import.meta.dirname, "..", "..");
const launcher = join(root, "bin", "factotum.js");
const shop = join(root, "test", "cli-project", "factotum.config.ts");
const folder = mkdtempSync(join(tmpdir(), "factotum-cli-"));
const orders = join(folder, "orders.jsonl");

let url = "";
beforeAll(async () => {
  url = (await throwawayDatabase()).url;
  const lines = [
    ...['{"id":"a","customer":"Ada","amount":10}', '{"id":"b","customer":"Bo","amount":5000}', "nonsense"],
    ...['{"id":"a","customer":"Ada","amount":10}', '{"id":"c","customer":"\\u001b[31mCy","amount":0}'],
  ];
  writeFileSync(orders, lines.join("\n"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Child = ChildProcessWithoutNullStreams;
type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** The command as a user starts it, in a folder of its own, with nothing of our environment but the path. */
function start(
  args: readonly string[],
  env: { readonly [name: string]: string } = {},
  { cwd = folder, program = builtCommand } = {},
): Child {
  return spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH: process.env["PATH"], HOME: folder, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

async function run(args: readonly string[], env: { readonly [name: string]: string } = {}): Promise<Ended> {
  return endOf(start(args, env));
}

async function endOf(child: Child): Promise<Ended> {
  child.stdin.end();
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, out, err };
}

const inShop = (...args: readonly string[]): Promise<Ended> =>
  run(["--config", shop, ...args], { DATABASE_URL: url });
const json = ({ out }: Ended): unknown => JSON.parse(out);

describe("without a project", () => {
  test("help names every command and exit code, and bad usage ends with 2", async () => {
    const [help, none, bad, port, lost] = await Promise.all([
      run(["--help"]),
      run([]),
      run(["sing", "--json"]),
      run(["serve", "--port", "many"]),
      run(["runs", "--json"]),
    ]);
    expect(help.code).toBe(0);
    const words = "run serve inbox answer runs show blame tools undo init doctor attach detach 130";
    for (const word of words.split(" ")) expect(help.out).toContain(`  ${word}`);
    expect([none.code, bad.code, port.code, lost.code]).toEqual([2, 2, 2, 2]);
    expect(bad.err).toContain("unknown command 'sing'");
    expect(json(bad)).toEqual({ error: { code: "usage", message: "unknown command 'sing'" } });
    expect(port.err).toContain("whole number from 0 to 65535");
    expect(lost.err).toContain("factotum init");
    expect(json(lost)).toMatchObject({ error: { code: "config-missing" } });
  });

  test("a wrong database address is an error with a remedy, and doctor's first finding", async () => {
    const wrong = { DATABASE_URL: "postgresql://127.0.0.1:1/none" };
    const [runs, doctor] = await Promise.all([
      run(["--config", shop, "runs"], wrong),
      run(["--config", shop, "doctor", "--json"], wrong),
    ]);
    expect([runs.code, runs.out]).toEqual([1, ""]);
    expect(runs.err).toMatch(/nothing listens there; start the server.*\[connection-refused\]/);
    expect(doctor.code).toBe(1);
    expect(json(doctor)).toMatchObject({ healthy: false, findings: [{ what: "node" }, { state: "broken" }] });
  });
});

describe("a project, from its intake to an undo", () => {
  test("run --once works the intake off and ends with one object", async () => {
    const ended = await inShop("run", "--once", "--json", "--orders", orders);
    expect(ended.code).toBe(0);
    expect(json(ended)).toMatchObject({
      intake: { noun: "orders", read: 5, started: 3, duplicates: 1, unreadable: 1 },
      summary: { runs: 3, resolved: 1, waiting: 1, refused: 1, rowsChanged: 1, costMicroUsd: "0" },
      url: null,
    });
    expect(ended.err).toContain("unreadable: line 3: it is not an order");
    expect(ended.err).toContain("1 duplicate among the orders: line 4 (run 1)");
  });

  test("in a pipe a second run is plain text, and knows everything already", async () => {
    const ended = await inShop("run", "--once", "--orders", orders);
    expect(ended.code).toBe(0);
    expect(ended.out).toMatch(/^orders read +5\nduplicates +4\n/);
    expect(ended.out).toMatch(/\ncost per resolved order +\$0\.00\n$/);
    // eslint-disable-next-line no-control-regex -- no escape sequence may reach a pipe
    expect(ended.out + ended.err).not.toMatch(/\u001b/);
  });

  test("a question is listed, answered once, and refused for a second answer", async () => {
    const [listed, lines] = await Promise.all([inShop("inbox", "--json"), inShop("inbox")]);
    const { questions } = json(listed) as { questions: readonly { readonly id: string }[] };
    expect(questions).toHaveLength(1);
    expect(lines.out).toContain("commit|correct|discard");
    const id = questions[0]?.id ?? "";
    const unfit = await inShop("answer", id, "sing", "--json");
    expect([unfit.code, json(unfit)]).toMatchObject([2, { error: { code: "choice-unknown" } }]);
    const given = await inShop("answer", id, "commit", "--note", "fine", "--json");
    expect([given.code, json(given)]).toMatchObject([0, { status: "answered", answer: { note: "fine" } }]);
    expect((await inShop("answer", id, "commit")).err).toContain("[question-closed]");
  });

  test("a committed run is shown, undone, and not undone twice", async () => {
    const shown = await inShop("show", "1");
    expect(shown.out).toContain("run 1  order a");
    expect(shown.out).toContain("customer  -> Ada");
    expect(shown.err).toBe("");
    expect(json(await inShop("undo", "1", "--json"))).toMatchObject({
      runId: "1",
      undone: [expect.any(String)],
    });
    const [blamed, lines, unfit] = await Promise.all([
      inShop("blame", "shop.orders", "a", "--json"),
      inShop("blame", "shop.orders", "a"),
      inShop("blame", "shop.orders", "a", "b"),
    ]);
    expect(json(blamed)).toMatchObject({
      changes: [
        { undoes: "1", undoneBy: null, change: { kind: "delete", before: { customer: "Ada" } } },
        { agent: "clerk", runId: "1", because: "book: order a", undoneBy: expect.any(String) },
      ],
    });
    expect(lines.out).toMatch(/takes back change set 1\n.*delete shop\.orders \(id a\)/);
    expect(lines.out).toContain("book: order a (no model, $0.00)  taken back by change set");
    expect([unfit.code, unfit.err]).toEqual([2, expect.stringContaining("it takes 1 value")]);
    const [steps, whole, again, runs, unknown, lost] = await Promise.all([
      inShop("steps", "1", "--limit", "1"),
      inShop("steps", "1", "--kind", "undone", "--json"),
      inShop("undo", "1"),
      inShop("runs", "--json"),
      inShop("show", "999"),
      inShop("run", "--once", "--orders", join(folder, "lost.jsonl")),
    ]);
    expect([lost.code, lost.err]).toEqual([
      2,
      expect.stringMatching(/lost.jsonl cannot be read: .*\[intake-unreadable\]/),
    ]);
    expect([steps.code, steps.out]).toEqual([0, expect.stringMatching(/^ +1 .* committed.*\n +rows: 1\n/)]);
    expect(steps.err).toContain("there are more: --after 1");
    expect(json(whole)).toMatchObject({ steps: [{ seq: "2", kind: "undone" }] });
    expect([again.code, unknown.code]).toEqual([2, 2]);
    expect(json(runs)).toMatchObject({
      runs: expect.arrayContaining([expect.objectContaining({ disposition: "undone" })]),
    });
  });

  test("doctor is content, and triggers come off and on", async () => {
    const doctor = await inShop("doctor");
    expect(doctor.code).toBe(0);
    expect(doctor.out).toMatch(/^ok +capture triggers/m);
    expect(json(await inShop("detach", "--json"))).toEqual({ tables: ["shop.orders"] });
    expect((await inShop("attach")).out).toContain("are on: shop.orders");
  });
});

describe("serving", () => {
  /** By the launcher, which runs the sources of a checkout in a process of their own. */
  const launch = (command: string): Child =>
    start(["--config", shop, command, "--port", "0"], { DATABASE_URL: url }, { program: launcher });

  test("after the table it serves until a signal, and says when a port is taken", async () => {
    const child = launch("run");
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const api = await serving(child);
    expect(await (await fetch(`${api}/summary`)).json()).toMatchObject({ answered: 1, undone: 1 });
    const taken = await inShop("run", "--port", new URL(api).port);
    expect([taken.code, taken.out]).toEqual([1, ""]);
    expect(taken.err).toMatch(/port \d+ on 127\.0\.0\.1 is taken.*--port \d+/);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  test("an address that others reach needs a token before anything is opened", async () => {
    const ended = await run(["--config", shop, "serve", "--host", "0.0.0.0"], {
      DATABASE_URL: "postgresql://127.0.0.1:1/x",
    });
    expect([ended.code, ended.out]).toEqual([2, ""]);
    expect(ended.err).toContain("FACTOTUM_TOKEN");
  });

  test("when the launcher is killed, the process it started ends too", async () => {
    const child = launch("serve");
    const closed = new Promise((resolve) => child.once("close", resolve));
    const api = await serving(child);
    child.kill("SIGKILL");
    // The pipes close only when the last process that holds them is gone.
    await closed;
    await expect(fetch(`${api}/health`)).rejects.toThrow("fetch failed");
  });
});

describe("init", () => {
  test("writes a configuration that doctor can load, and never overwrites one", async () => {
    mkdirSync(join(root, ".factotum"), { recursive: true });
    const own = mkdtempSync(join(root, ".factotum", "init-"));
    try {
      const at = (...args: readonly string[]): Promise<Ended> =>
        endOf(start(args, { DATABASE_URL: url }, { cwd: own }));
      expect((await at("init", "--tables", "shop.order")).err).toContain("did you mean shop.orders?");
      const made = await at("init", "--tables", "shop.orders", "--json");
      expect([made.code, json(made)]).toMatchObject([0, { tables: ["shop.orders"] }]);
      expect(readFileSync(join(own, "factotum.config.ts"), "utf8")).toContain('"shop.orders": "write"');
      const [again, doctor] = await Promise.all([
        at("init", "--tables", "shop.orders"),
        at("doctor", "--json"),
      ]);
      expect([again.code, again.err]).toEqual([2, expect.stringContaining("[config-exists]")]);
      expect([doctor.code, json(doctor)]).toMatchObject([0, { healthy: true }]);
    } finally {
      rmSync(own, { recursive: true });
    }
  });
});

/** The address on the line that says where it serves. */
async function serving(child: Child): Promise<string> {
  let said = "";
  return new Promise((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const found = /http:\/\/\S+\/api/.exec(said)?.[0];
      if (found !== undefined) resolve(found);
    });
    child.once("close", () => reject(new Error(`it ended before it served: ${said}`)));
  });
}
