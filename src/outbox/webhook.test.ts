import { createHmac } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import type { ChangeSetId, EffectId, RunId } from "../kernel/index.ts";
import { type Channel, type Delivery, DeliveryError, webhook } from "./index.ts";
import {
  answer,
  hang,
  type Manner,
  type Receiver,
  reset,
  resetInside,
  startReceiver,
} from "./receiver.test.kit.ts";
import { readSecret, sign } from "./sign.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const delivery: Delivery = {
  ...{ effect: "1" as EffectId, key: "0b9ff8c4-5b1d-4b6e-9a55-8a2f6f0d7c11", channel: "hook", attempt: 1 },
  ...{ body: { text: "ünï\u0000" }, at: new Date("2026-01-05T09:00:00.900Z"), agent: "clerk" },
  ...{ committedAt: new Date(0), changeSet: "1" as ChangeSetId, runId: "1" as RunId },
};

async function receiver(...script: readonly Manner[]): Promise<Receiver> {
  const started = await startReceiver(script);
  onTestFinished(() => started.close());
  return started;
}

const hook = (url: string): Channel => webhook({ url, secret: SECRET });
const quiet = new AbortController().signal;
const sent = (channel: Channel): Promise<unknown> =>
  Promise.resolve(channel.deliver(delivery, { signal: quiet }));
const failure = (channel: Channel): Promise<unknown> => sent(channel).catch((error: unknown) => error);

test("a signature is the one that the Standard Webhooks specification gives as its example", () => {
  expect(
    sign([readSecret(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, '{"test": 2432232314}'),
  ).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

test("a webhook is a signed POST with its key, and what the receiver says is kept", async () => {
  const { url, received } = await receiver(answer(201, " made \n"));
  const other = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  const both = webhook({
    url,
    secret: [SECRET, other],
    headers: { authorization: "Bearer t", "webhook-id": "x" },
  });
  expect(await sent(both)).toBe("201 made");
  const [request] = received;
  expect(JSON.parse(request?.body ?? "")).toEqual(delivery.body);
  const signed = `${delivery.key}.1767603600.${request?.body}`;
  const signatures = [SECRET, other].map((secret) => {
    const bytes = Buffer.from(secret.slice("whsec_".length), "base64");
    return `v1,${createHmac("sha256", bytes).update(signed).digest("base64")}`;
  });
  expect(request?.headers).toMatchObject({
    "content-type": "application/json",
    authorization: "Bearer t",
    "idempotency-key": delivery.key,
    "webhook-id": delivery.key,
    "webhook-timestamp": "1767603600",
    "webhook-signature": signatures.join(" "),
  });
});

test.each([
  [
    "500",
    answer(500, "oops"),
    { retry: "later", arrived: "perhaps", message: "the receiver answered 500 oops" },
  ],
  [
    "503 with Retry-After",
    answer(503, "", { "retry-after": "120" }),
    { retry: "later", retryAfterMs: 120_000 },
  ],
  ["429 with Retry-After", answer(429, "", { "retry-after": "7" }), { arrived: "no", retryAfterMs: 7_000 }],
  [
    "429 until a date",
    answer(429, "", {
      date: "Mon, 05 Jan 2026 09:00:00 GMT",
      "retry-after": "Mon, 05 Jan 2026 09:01:00 GMT",
    }),
    { retry: "later", retryAfterMs: 60_000 },
  ],
  ["a Retry-After that means nothing", answer(429, "", { "retry-after": "soon" }), { retryAfterMs: 0 }],
  ["404", answer(404), { retry: "later", arrived: "no" }],
  ["410", answer(410), { retry: "never", arrived: "no" }],
  ["422", answer(422, "no such ticket"), { retry: "never", arrived: "no" }],
  ["a connection closed without a word", reset, { retry: "later", arrived: "perhaps" }],
  ["a connection closed in the middle of an answer", resetInside, { retry: "later", arrived: "perhaps" }],
])("%s fails as it should", async (_, manner, expected) => {
  const { url, received } = await receiver(manner);
  const error = await failure(hook(url));
  expect(error).toBeInstanceOf(DeliveryError);
  expect(error).toMatchObject(expected);
  expect(received).toHaveLength(1);
});

test("a redirect is not followed, wherever it points", async () => {
  const inner = await receiver();
  const { url } = await receiver(answer(307, "", { location: inner.url }));
  expect(await failure(hook(url))).toMatchObject({ retry: "never", arrived: "no" });
  expect(inner.received).toEqual([]);
});

test("an answer without end is read no further than a note needs", async () => {
  const closed = Promise.withResolvers<void>();
  const { url } = await receiver((response) => {
    response.writeHead(200);
    response.on("close", () => closed.resolve());
    const more = (): void => void (response.destroyed || response.write("x".repeat(10_000), more));
    more();
  });
  const note = await sent(hook(url));
  expect(note).toMatch(/^200 x+…$/);
  expect(String(note).length).toBeLessThan(250);
  await closed.promise;
});

test("a receiver that hangs is left when the signal says so, and perhaps it got it", async () => {
  const hanging = await receiver(hang);
  const stop = new AbortController();
  const trying = Promise.resolve(hook(hanging.url).deliver(delivery, { signal: stop.signal })).catch(
    (error: unknown) => error,
  );
  await hanging.arrived(1);
  stop.abort();
  expect(await trying).toMatchObject({ retry: "later", arrived: "perhaps" });
});

test("a receiver that cannot be reached surely got nothing", async () => {
  const gone = await startReceiver();
  await gone.close();
  expect(await failure(hook(gone.url))).toMatchObject({ retry: "later", arrived: "no" });
});

test.each([
  ["http to another machine", { url: "http://example.com/" }, "http://example.com is not https"],
  ["another protocol", { url: "file:///etc/passwd" }, "not https"],
  ["what is no url", { url: "example" }, "is not a url"],
  ["a password in the url", { url: "https://a:b@example.com/" }, "holds a password"],
  ["a secret of another form", { url: "https://example.com/", secret: "hunter2hunter2" }, "must be whsec_"],
  ["a short secret", { url: "https://example.com/", secret: "whsec_c2hvcnQ=" }, "24 to 64 bytes"],
  ["no secret", { url: "https://example.com/", secret: [] }, "needs a secret"],
])("%s is refused when the channel is made", (_, options, because) => {
  const make = (): Channel => webhook({ secret: SECRET, ...options });
  expect(make).toThrow(because);
  expect(make).not.toThrow("hunter2");
});
