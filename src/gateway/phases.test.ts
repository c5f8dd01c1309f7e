/** Every phase of an attempt has its limit, and what runs into it has its row. */
import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hang } from "../testing/index.ts";
import { type PhaseLimits, phaseLimits } from "./index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

const open: Opened[] = [];
/** Takes connections and never says a word, not even of TLS. */
let silent: Server;
beforeAll(async () => {
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  await Promise.all(open.map((each) => each.close()));
  silent.close();
});

async function withLimits(limits: Partial<PhaseLimits>, upstream?: string): Promise<Opened> {
  const made = await opened({ ...phaseLimits, ...limits }, upstream);
  open.push(made);
  return made;
}
async function ask({ gateway, secret, db }: Opened, stream: boolean) {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
    body: JSON.stringify({ model: "quick", stream, messages: [{ role: "user", content: "x" }] }),
  });
  const text = await answer.text();
  await gateway.flush();
  const { rows } = await db.query<{ label: string }>(
    "select label from factotum.gateway_attempts order by try",
  );
  return { status: answer.status, text, labels: rows.map(({ label }) => label) };
}

test("connecting: nothing was sent, and it is tried again", async () => {
  const { port } = silent.address() as AddressInfo;
  const at = await withLimits({ connectMs: 100 }, `https://127.0.0.1:${port}/v1`);
  const { status, text, labels } = await ask(at, false);
  expect([status, labels]).toEqual([502, ["not-sent", "not-sent", "not-sent"]]);
  expect(text).toContain("upstream_unreachable");
});

test("the first byte: the provider may have worked, so it is not asked again", async () => {
  const at = await withLimits({ firstByteMs: 100 });
  at.provider.otherwise(hang({ afterChunks: 0 }));
  const { status, text, labels } = await ask(at, false);
  expect([status, labels]).toEqual([504, ["timed-out"]]);
  expect(text).toContain("upstream_timeout");
});

test("between two pieces: the stream ends by an error", async () => {
  const at = await withLimits({ silenceMs: 100 });
  at.provider.otherwise(hang({ afterChunks: 2 }));
  const { status, text, labels } = await ask(at, true);
  expect([status, labels]).toEqual([200, ["timed-out"]]);
  expect(text).toContain("upstream_broken");
});

test("altogether: a stream without an end is ended", async () => {
  const at = await withLimits({ totalMs: 100 });
  at.provider.otherwise(hang({ afterChunks: 2 }));
  const { status, text, labels } = await ask(at, true);
  expect([status, labels]).toEqual([200, ["timed-out"]]);
  expect(text).toContain("upstream_broken");
});
