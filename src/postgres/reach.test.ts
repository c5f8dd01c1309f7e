import { createServer } from "node:net";
import { expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { openDatabase } from "./index.ts";

const SECRET = "s3cret-pass";

async function refusal(url: string): Promise<{ code: string; retry: string; message: string }> {
  const error: unknown = await openDatabase({ kind: "url", url }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  const { code, retry, message } = error as Error & { code: string; retry: string };
  expect(message).not.toContain(SECRET);
  return { code, retry, message };
}

function changed(url: string, change: (parsed: URL) => void): string {
  const parsed = new URL(url);
  change(parsed);
  return parsed.href;
}

test("an address that cannot work is refused with the reason and never with the password", async () => {
  const { url } = await throwawayDatabase();
  for (const bad of ["", "localhost:5432", "mysql://a/b", `postgres//u:${SECRET}@h/d`]) {
    expect(await refusal(bad)).toMatchObject({ code: "url-invalid", retry: "never" });
  }
  const wrong = await refusal(changed(url, (parsed) => (parsed.password = SECRET)));
  expect(wrong).toMatchObject({ code: "login-refused", retry: "never" });
  const missing = await refusal(changed(url, (parsed) => (parsed.pathname = "/not_there")));
  expect(missing).toMatchObject({ code: "database-missing", retry: "never" });
  expect(missing.message).toContain("not_there");
  const nowhere = await refusal(`postgresql://u:${SECRET}@no-such-host.invalid/d`);
  expect(nowhere.code).toBe("host-unknown");
});

test("a port where nobody or somebody else listens is told apart from a wrong login", async () => {
  const server = createServer((socket) => socket.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const url = `postgresql://u:${SECRET}@127.0.0.1:${port}/d`;
  expect(await refusal(url)).toMatchObject({ code: "no-answer" });
  await new Promise((resolve) => server.close(resolve));
  expect(await refusal(url)).toMatchObject({ code: "connection-refused", retry: "later" });
});

test("a user who may not create the schema is told what to grant, once it is there no more", async () => {
  const db = await throwawayDatabase();
  const role = `plain_${new URL(db.url).pathname.slice(1)}`;
  await db.query(`create role ${role} login password '${SECRET}'`);
  const url = changed(db.url, (parsed) => {
    parsed.username = role;
    parsed.password = SECRET;
  });
  const allowed = await openDatabase({ kind: "url", url });
  await allowed.close();
  await db.query("drop schema factotum cascade");
  const refused = await refusal(url);
  expect(refused).toMatchObject({ code: "create-refused", retry: "never" });
  expect(refused.message).toMatch(/grant create on database "?test_\w+"? to "?plain_/);
  await db.query(`drop role ${role}`);
});
