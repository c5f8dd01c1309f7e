/** People answer from where they are: routed, told, escalated, by links and by signed calls. */
import type { AskAnswer, Rung } from "factotum/agents";
import type { Attention } from "factotum/inbox";
import { sign, webhook, readSecret } from "factotum/outbox";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Order } from "../agents/shop.ts";
import { askingRung, clerkWith, openOffice, type Office, whichLamp } from "./kit.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const NIGHT = { from: "22:00", to: "07:00" };
const zone = "Europe/Oslo";
const Asked = z.object({ question: z.string(), title: z.string(), url: z.string() });
const Message = Asked.partial().extend({
  ...{ kind: z.string(), person: z.string(), to: z.string() },
  questions: z.array(Asked).optional(),
});

/** A chat tool: keeps what it is sent. */
async function chat() {
  const got: z.infer<typeof Message>[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    got.push(Message.parse(JSON.parse(await text(request))));
    response.writeHead(204).end();
  };
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { got, url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

const attention = (tell = false): Attention => ({
  people: {
    ann: {
      ...{ zone, quiet: [NIGHT], roles: ["floor"] },
      ...(tell && { tell: { channel: "chat", as: "json" as const, to: "@ann" } }),
    },
    bo: { zone, ...(tell && { tell: { channel: "chat", as: "json" as const, to: "@bo" } }) },
  },
  routes: [{ agent: "clerk", to: [{ who: ["@floor"], forMinutes: 60 }, { who: ["bo"] }] }],
});

/** An office whose people are told in a chat; its links lead to itself. */
async function reachable(rung: Rung<Order>, who = attention(true)) {
  const tool = await chat();
  const office = await openOffice(clerkWith(rung), {
    attention: who,
    channels: { chat: webhook({ url: tool.url, secret: SECRET }) },
    links: { url: "https://desk.example.net/", secret: SECRET, hours: 5 },
  });
  const local = (url: string): string => url.replace("https://desk.example.net", office.http);
  const close = async (): Promise<void> => {
    await office.close();
    tool.close();
  };
  return { office, got: tool.got, local, close };
}

const tap = (url: string, choice: string) =>
  fetch(url, { method: "POST", body: new URLSearchParams({ choice, note: "ok" }) });

test("whoever is asked is told once, by a link that shows on GET and answers once on POST", async () => {
  const seen: AskAnswer[] = [];
  const nasty = whichLamp({
    question: `<script>alert("x")</script> & which?`,
    about: "<img src=x onerror=1>",
  });
  const { office, got, local, close } = await reachable(askingRung(() => nasty, seen));
  const run = await office.order("light");
  expect(got.map(({ person, to }) => [person, to])).toEqual([["ann", "@ann"]]);
  const url = local(got[0]?.url ?? "");
  const page = await fetch(url);
  const html = await page.text();
  expect([page.status, html.includes("<script"), html.includes("<img")]).toEqual([200, false, false]);
  expect(html).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; which?");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect([(await fetch(url, { method: "HEAD" })).status, seen]).toEqual([200, []]);
  expect((await tap(url, "sofa")).status).toBe(422);
  const taps = await Promise.all([tap(url, "lamp"), tap(url, "chair"), tap(url, "lamp")]);
  expect(taps.map((one) => one.status).toSorted((a, b) => a - b)).toEqual([200, 409, 409]);
  await office.settle();
  expect(seen).toEqual([{ choice: expect.any(String), by: "ann", note: "ok" }]);
  expect(await (await fetch(url)).text()).toContain("Answered by ann at 2026-03-02 08:00 UTC");
  const story = await office.factotum.showRun(run.id);
  expect([story.questions[0]?.via, story.changeSets.length]).toEqual(["link", 1]);
  expect((await office.factotum.undo(run.id, "ann")).length).toBe(1);
  await close();
});

test("a forged link, a changed one and an expired one answer nothing", async () => {
  const { office, got, local, close } = await reachable(askingRung(() => whichLamp()));
  await office.order("light");
  const url = local(got[0]?.url ?? "");
  const at = url.lastIndexOf("/") + 1;
  const [payload = "", signature = ""] = url.slice(at).split(".");
  const other = Buffer.from(Buffer.from(payload, "base64url").toString().replace("ann", "bo!"));
  const forged = [
    `${url.slice(0, at)}${other.toString("base64url")}.${signature}`,
    `${url.slice(0, at)}${payload}.${Buffer.alloc(32, 1).toString("base64url")}`,
    `${url.slice(0, at)}${payload}`,
    `${url}.x`,
    `${url.slice(0, at)}%00`,
  ];
  for (const one of forged) expect((await tap(one, "lamp")).status).toBe(403);
  await office.at(5);
  const late = await tap(url, "lamp");
  expect([late.status, await late.text()]).toEqual([410, expect.stringContaining("expired")]);
  expect((await office.factotum.inbox()).length).toBe(1);
  await close();
});

test("a chat tool answers by a signed call; an unsigned, old or changed one is not believed", async () => {
  const { office, got, close } = await reachable(askingRung(() => whichLamp()));
  await office.order("light");
  const body = JSON.stringify({ question: got[0]?.question, choice: "lamp", by: "ann" });
  const now = Math.floor(Date.now() / 1_000);
  const send = (timestamp: number, said = body, signed = body) =>
    fetch(`${office.http}/hooks/answer`, {
      method: "POST",
      body: said,
      headers: {
        ...{ "webhook-id": "m1", "webhook-timestamp": String(timestamp) },
        "webhook-signature": sign([readSecret(SECRET)], "m1", timestamp, signed),
      },
    });
  expect((await send(now - 1_000)).status).toBe(401);
  expect((await send(now, body.replace("lamp", "chair"))).status).toBe(401);
  expect((await fetch(`${office.http}/hooks/answer`, { method: "POST", body })).status).toBe(401);
  const stranger = body.replace("ann", "carl");
  expect((await send(now, stranger, stranger)).status).toBe(403);
  expect((await send(now)).status).toBe(200);
  expect((await send(now)).status).toBe(409);
  await close();
});

test("only who is asked may answer; quiet hours are waited for, and then the next is asked", async () => {
  const seen: AskAnswer[] = [];
  const office = await openOffice(clerkWith(askingRung(() => whichLamp(), seen)), { attention: attention() });
  // 22:30 in Oslo: Ann is asleep until 07:00, and Bo is asked an hour after.
  await office.at(13.5);
  const run = await office.order("light");
  const ask = async (person: string): Promise<number> => (await office.factotum.inbox({ person })).length;
  expect([await ask("ann"), await ask("bo"), await ask("carl")]).toEqual([0, 0, 0]);
  await office.at(22);
  expect([await ask("ann"), await ask("bo")]).toEqual([1, 0]);
  const [question] = await office.factotum.inbox();
  const path = `/questions/${question?.id}/answer`;
  expect((await office.post(path, { choice: "lamp", by: "bo" })).body["error"]).toMatchObject({
    code: "answer-refused",
    message: expect.stringContaining("is for ann to answer, and bo is none of them"),
  });
  await office.at(23);
  expect([await ask("ann"), await ask("bo"), await ask("carl")]).toEqual([1, 1, 0]);
  expect((await office.post(path, { choice: "lamp", by: "bo" })).status).toBe(200);
  await office.settle();
  expect(seen.map((one) => one.by)).toEqual(["bo"]);
  expect((await office.factotum.showRun(run.id)).run.disposition).toBe("resolved");
  await office.close();
});

test("what waited for the end of quiet hours comes in one message, each answered for itself", async () => {
  const rung: Rung<Order> = {
    ...{ kind: "code", name: "asks" },
    async run({ ask, call, input: { quantity } }) {
      const { choice } = await ask(whichLamp({ question: `Which lamp, of ${quantity}?` }));
      await call("place_order", { product: choice, quantity });
      return { kind: "finished", doubts: [] };
    },
  };
  const { office, got, local, close } = await reachable(rung);
  await office.at(13.5);
  for (const quantity of [1, 2, 3]) await office.order("light", quantity);
  expect(got).toEqual([]);
  await office.at(22);
  expect(got.map(({ kind, person, questions = [] }) => [kind, person, questions.length])).toEqual([
    ["questions", "ann", 3],
  ]);
  const asked = (got[0]?.questions ?? []).toSorted((a, b) => a.title.localeCompare(b.title));
  expect(asked.map((one) => one.title)).toEqual([1, 2, 3].map((n) => `Which lamp, of ${n}?`));
  for (const one of asked.slice(0, 2)) expect((await tap(local(one.url), "chair")).status).toBe(200);
  await office.settle();
  expect((await office.factotum.inbox()).map((one) => one.card.title)).toEqual(["Which lamp, of 3?"]);
  // Whoever is asked next is told of what is still open, and asked by day it comes alone.
  await office.at(23);
  await office.order("light", 4);
  expect(got.slice(1).map(({ kind, person, title }) => [kind, person, title])).toEqual([
    ["question", "bo", "Which lamp, of 3?"],
    ["question", "ann", "Which lamp, of 4?"],
  ]);
  await close();
});

test("each is told when their own quiet hours are over, also whoever is asked next", async () => {
  const person = (name: string, quiet: readonly (typeof NIGHT)[]) => ({
    ...{ zone, quiet, tell: { channel: "chat", as: "json" as const, to: `@${name}` } },
  });
  const { office, got, close } = await reachable(
    askingRung(() => whichLamp()),
    {
      people: { ann: person("ann", []), bo: person("bo", [NIGHT]), carl: person("carl", [NIGHT]) },
      routes: [{ to: [{ who: ["ann", "carl"], forMinutes: 60 }, { who: ["bo"] }] }],
    },
  );
  await office.at(13.5);
  await office.order("light");
  const told = () => got.map((one) => one.person).toSorted();
  expect(told()).toEqual(["ann"]);
  await office.at(14.5);
  const [question] = await office.factotum.inbox({ person: "bo" });
  expect([question?.level, told()]).toEqual([1, ["ann"]]);
  await office.at(22);
  expect(told()).toEqual(["ann", "bo", "carl"]);
  await close();
});

test("an urgent question that is merged into another brings it through quiet hours", async () => {
  let importance: "normal" | "urgent" = "normal";
  const { office, got, close } = await reachable(askingRung(() => whichLamp({ importance })));
  await office.at(13.5);
  await office.order("light");
  expect([got, await office.factotum.inbox({ person: "ann" })]).toEqual([[], []]);
  importance = "urgent";
  await office.order("light");
  expect(got.map((one) => one.person)).toEqual(["ann"]);
  const [question] = await office.factotum.inbox({ person: "ann" });
  expect([question?.importance, question?.alsoFor]).toEqual(["urgent", 1]);
  await close();
});

test("an urgent question passes quiet hours, and runs that ask the same share one answer", async () => {
  const seen: AskAnswer[] = [];
  const order = () => whichLamp({ importance: "urgent" });
  const office = await openOffice(clerkWith(askingRung(order, seen)), { attention: attention() });
  await office.at(13.5);
  for (let n = 0; n < 3; n += 1) await office.order("light");
  const open = await office.factotum.inbox({ person: "ann" });
  expect(open.map((one) => one.alsoFor)).toEqual([2]);
  await office.factotum.answer(open[0]?.id ?? fail(), { choice: "lamp", by: "ann" });
  await office.settle();
  // All three take from one row of the stock, so that some are made again on fresh data.
  expect(new Set(seen.map((one) => `${one.choice} ${one.by}`))).toEqual(new Set(["lamp ann"]));
  expect(await stock(office)).toBe(7);
  await office.close();
});

async function stock(office: Office): Promise<unknown> {
  return (await office.factotum.db.query("select stock from shop.products where id = 1")).rows[0]?.["stock"];
}

function fail(): never {
  throw new Error("there is no question");
}
