import { afterAll, expect, test } from "vitest";
import { hang, reply, type ScriptedProvider, scriptedProvider, status } from "./index.ts";

const open: ScriptedProvider[] = [];
afterAll(async () => {
  await Promise.all(open.map((each) => each.close()));
});
async function started(...turns: Parameters<typeof scriptedProvider>): Promise<ScriptedProvider> {
  const provider = await scriptedProvider(...turns);
  open.push(provider);
  return provider;
}
const post = (provider: ScriptedProvider, body: object, path = "/chat/completions"): Promise<Response> =>
  fetch(`${provider.url}${path}`, { method: "POST", body: JSON.stringify(body) });

test("answers come in the order of the script, and requests are kept", async () => {
  const provider = await started(reply("one"), status(503, { message: "busy" }));
  const first = await post(provider, { model: "m", messages: [] });
  expect(await first.json()).toMatchObject({
    ...{ model: "m", id: "reply-1", usage: { prompt_tokens: 100, completion_tokens: 20 } },
    choices: [{ finish_reason: "stop", message: { role: "assistant", content: "one" } }],
  });
  expect((await post(provider, {})).status).toBe(503);
  expect(provider.left).toBe(0);
  expect(provider.requests.map((request) => request.body)).toEqual([{ model: "m", messages: [] }, {}]);
});

test("a script that is used up refuses, unless told otherwise", async () => {
  const provider = await started();
  const refusal = await post(provider, {});
  expect(refusal.status).toBe(400);
  expect(await refusal.text()).toContain("the script has no answer for request 1");
  provider.otherwise((request) => reply(`you said ${JSON.stringify(request.body)}`));
  expect(await (await post(provider, { x: 1 })).text()).toContain('you said {\\"x\\":1}');
});

test("a streamed reply is the same bytes every time, tool arguments split, usage last", async () => {
  const said = reply([{ name: "look", arguments: { id: 7, note: "longer" } }]);
  const texts: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    const provider = await started(said);
    texts.push(await (await post(provider, { model: "m", stream: true })).text());
  }
  expect(texts[0]).toBe(texts[1]);
  const events = (texts[0] ?? "").split("\n\n").filter((event) => event !== "");
  expect(events.filter((event) => event.includes('"arguments"')).length).toBeGreaterThan(3);
  expect(events.at(-2)).toContain('"usage"');
  expect(events.at(-1)).toBe("data: [DONE]");
});

test("a path that is no wire is not found, and closing drops what hangs", async () => {
  const provider = await started(hang());
  expect((await post(provider, {}, "/elsewhere")).status).toBe(404);
  expect(provider.requests).toHaveLength(0);
  const hanging = post(provider, {}).catch(() => "dropped");
  await provider.arrived(1);
  await provider.close();
  expect(await hanging).toBe("dropped");
});
