/** What a person may get wrong, and what they are told: one line, one exit code, and nothing is lost. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { throwawayDatabase } from "factotum/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, run, stillDay } from "./kit.ts";
import { writeBadMail } from "./bad-mail.ts";

const shop = join(import.meta.dirname, "..", "cli-project", "factotum.config.ts");
const folder = mkdtempSync(join(tmpdir(), "factotum-bad-input-"));

let url = "";
beforeAll(async () => {
  url = (await throwawayDatabase()).url;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const desk = (...args: readonly string[]): Promise<Ended> =>
  run(["--config", stillDay, ...args], { env: { DATABASE_URL: url } });
const inShop = (address: string, ...args: readonly string[]): Promise<Ended> =>
  run(["--config", shop, ...args], { env: { DATABASE_URL: address } });

/** Nothing on stdout, and on stderr one line that names the code: no stack, no second thought. */
function expectRefusal(ended: Ended, exitCode: number, code: string, remedy: RegExp): void {
  const lines = ended.err.split("\n").filter((line) => line.startsWith("error: "));
  expect([ended.code, ended.out, lines.length], ended.err).toEqual([exitCode, "", 1]);
  expect(lines[0]).toMatch(new RegExp(`\\[${code}\\]$`));
  expect(lines[0]).toMatch(remedy);
  expect(ended.err).not.toMatch(/^\s+at /m);
  expect(ended.err).not.toContain("--verbose");
}

describe("mail that is not as it should be", () => {
  test("each bad message is named with its reason, and the rest of the queue is worked", async () => {
    const mail = join(folder, "mail");
    mkdirSync(mail);
    writeBadMail(mail);
    const ended = await desk("run", "--once", "--json", "--notices", mail);
    expect(ended.code, ended.err).toBe(0);
    expect(JSON.parse(ended.out)).toMatchObject({
      intake: { read: 12, started: 8, unreadable: 4 },
      summary: { runs: 8, working: 0, failed: 0, rowsChanged: 0 },
    });
    expect(ended.err).toMatch(/unreadable: empty\.eml: the message is empty/);
    expect(ended.err).toMatch(/unreadable: huge\.eml: the message has \d+ characters/);
    expect(ended.err).toMatch(/unreadable: outlook\.msg: .* save the message as \.eml/);
    expect(ended.err).toMatch(/unreadable: three\.mbox#2: no mail header/);
  });

  test("what a subject tries to do to the terminal stays in the database", async () => {
    const asked = JSON.parse((await desk("inbox", "--json")).out) as { questions: { runId: string }[] };
    const told = await Promise.all([
      ...[desk("inbox", "--color"), desk("runs", "--color")],
      ...asked.questions.map(({ runId }) => desk("show", runId, "--color")),
    ]);
    const all = told.map(({ out, err }) => out + err).join("\n");
    expect(asked.questions.length).toBeGreaterThan(0);
    expect(all).toContain("broken calendar");
    expect(all).not.toContain("owned");
    // eslint-disable-next-line no-control-regex -- colours are ours; nothing else that an escape begins
    expect(all).not.toMatch(/\u001b(?!\[\d*m)|[\u0007\u009b]/);
  });

  test("a path without mail ends with 2 and says what would be mail", async () => {
    expect.hasAssertions();
    mkdirSync(join(folder, "nothing"));
    const [none, missing] = await Promise.all([
      desk("run", "--once", "--notices", join(folder, "nothing")),
      desk("run", "--once", "--notices", join(folder, "missing")),
    ]);
    expectRefusal(none, 2, "no-mail", /give a \.eml file, an mbox file, or a folder/);
    expectRefusal(missing, 2, "path-missing", /missing cannot be opened/);
  });
});

describe("a database that is not as it should be", () => {
  test("a wrong address ends at once, with what is wrong in it and no password", async () => {
    const wrong = (change: (address: URL) => void): string => {
      const address = new URL(url);
      change(address);
      return address.href;
    };
    const [words, other, port, password, missing] = await Promise.all([
      inShop("hello", "runs"),
      inShop("mysql://localhost/x", "runs"),
      inShop("postgresql://127.0.0.1:1/x", "run", "--once"),
      inShop(
        wrong((address) => (address.password = "open-sesame")),
        "runs",
      ),
      inShop(
        wrong((address) => (address.pathname = "/nowhere")),
        "runs",
      ),
    ]);
    expectRefusal(words, 2, "url-invalid", /postgresql:\/\/user:password@host:5432\/database/);
    expectRefusal(other, 2, "url-invalid", /postgresql:/);
    expectRefusal(port, 1, "connection-refused", /start the server/);
    expectRefusal(password, 1, "login-refused", /user or password are wrong/);
    expectRefusal(missing, 1, "database-missing", /createdb/);
    expect(password.err + missing.err).not.toContain("open-sesame");
    expect(missing.err).not.toContain(new URL(url).password);
  });

  test("one without our schema gets it, or the statement that its owner must run", async () => {
    const db = await throwawayDatabase();
    const name = `${new URL(db.url).pathname.slice(1)}_empty`;
    const role = `${name}_guest`;
    await db.query(`create database ${name}`);
    await db.query(`create role ${role} login password 'guest'`);
    try {
      const empty = new URL(db.url);
      empty.pathname = `/${name}`;
      const guest = new URL(empty);
      [guest.username, guest.password] = [role, "guest"];
      expectRefusal(await inShop(guest.href, "runs"), 2, "create-refused", /grant create on database/);
      const ours = await inShop(empty.href, "run", "--once", "--json");
      expect(JSON.parse(ours.out)).toMatchObject({ summary: { runs: 0 } });
    } finally {
      await db.query(`drop database ${name} with (force)`);
      await db.query(`drop role ${role}`);
    }
  });

  test("a port that something else has is said before any work begins", async () => {
    expect.hasAssertions();
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port));
    });
    const ended = await inShop(url, "run", "--port", String(port));
    expectRefusal(ended, 1, "port-taken", /--port/);
    other.close();
  });
});

describe("a project that is not as it should be", () => {
  test("a configuration that cannot be used is named with the reason", async () => {
    expect.hasAssertions();
    const wrong: readonly (readonly [string, string, RegExp])[] = [
      ["throw new Error('out of luck')", "config-broken", /out of luck/],
      ["export default {", "config-broken", /cannot be loaded/],
      ["export const config = {}", "config-broken", /export by default/],
      [
        "export default { name: 'x', agents: [{ name: 'clerk' }] }",
        "agent-invalid",
        /clerk .* lacks version, policy/,
      ],
      ["export default { name: 'x', agents: [], chanels: {} }", "config-broken", /no chanels; it has name/],
    ];
    for (const [at, [text, code, remedy]] of wrong.entries()) {
      const path = join(folder, `wrong-${at}.mjs`);
      writeFileSync(path, text);
      const ended = await run(["--config", path, "run", "--once"], { env: { DATABASE_URL: url } });
      expectRefusal(ended, 2, code, remedy);
    }
  });

  test("unknown ids, choices not on the card, and second answers are refused", async () => {
    const { questions } = JSON.parse((await desk("inbox", "--json")).out) as { questions: { id: string }[] };
    const id = questions[0]?.id ?? "";
    const [run999, runWord, undo, question, choice] = await Promise.all([
      desk("show", "999999"),
      desk("show", "../../etc"),
      desk("undo", "999999"),
      desk("answer", "999999", "discard"),
      desk("answer", id, "sing"),
    ]);
    for (const ended of [run999, runWord, undo])
      expectRefusal(ended, 2, "run-unknown", /with: factotum runs/);
    expectRefusal(question, 2, "question-unknown", /factotum inbox/);
    expectRefusal(choice, 2, "choice-unknown", /discard/);
    expect((await desk("answer", id, "discard")).code).toBe(0);
    expectRefusal(await desk("answer", id, "discard"), 2, "question-closed", new RegExp(`question ${id}`));
  });
});
