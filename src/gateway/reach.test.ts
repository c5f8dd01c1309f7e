/** Where the gateway goes, and where it never does. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import type { ModelId } from "../kernel/index.ts";
import type { ModelCard } from "../models/index.ts";
import { opened } from "./opened.test.kit.ts";
import { makeTargets } from "./targets.ts";

const card = (baseUrl: string): ModelCard => ({
  ...{ id: "x/y" as ModelId, provider: "openai-compatible", model: "y", baseUrl, outputTokensMax: 10 },
});
const made = (baseUrl: string): number => makeTargets([card(baseUrl)], {}, {}).all.length;

test("addresses where clouds keep a machine's credentials are refused, in every way to write them", () => {
  const refused = [
    ...[
      "http://169.254.169.254/v1",
      "http://2852039166/v1",
      "http://0xa9fea9fe/v1",
      "http://0251.254.169.254/",
    ],
    ...["http://[::ffff:169.254.169.254]/v1", "http://[fe80::1]/v1", "http://[fd00:ec2::254]/v1"],
    ...["http://[64:ff9b::169.254.169.254]/v1", "http://[2002:a9fe:a9fe::]/", "http://100.100.100.200/v1"],
    ...["http://0.0.0.0/v1", "http://[::]/v1", "http://224.0.0.1/v1", "http://[ff02::1]/v1"],
    ...["ftp://127.0.0.1/v1", "file:///etc/passwd", "http://me:key@127.0.0.1/v1", "http://127.0.0.1/v1?a=b"],
  ];
  for (const url of refused) expect(() => made(url), url).toThrow(/gateway|address/);
  // Engines of one's own live in private networks.
  for (const url of ["http://127.0.0.1:8000/v1", "http://10.0.0.7/v1", "https://api.mistral.ai/v1"]) {
    expect(made(url)).toBe(1);
  }
});

test("a redirect is neither followed nor handed to the client", async () => {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? "");
    response.writeHead(307, { location: "/elsewhere" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const at = await opened(undefined, `http://127.0.0.1:${port}/v1`);
  const answer = await fetch(`${at.gateway.url}/v1/chat/completions`, {
    ...{ method: "POST", redirect: "manual", headers: { authorization: `Bearer ${at.secret}` } },
    body: '{"model":"quick","messages":[]}',
  });
  expect([answer.status, answer.headers.get("location")]).toEqual([502, null]);
  expect(new Set(paths)).toEqual(new Set(["/v1/chat/completions"]));
  await at.close();
  server.close();
});

test("what operators look at is not at the address of calls, and calls are not at theirs", async () => {
  const at = await opened();
  const { url, adminUrl } = at.gateway;
  const status = async (address: string, method = "GET"): Promise<number> =>
    (await fetch(address, { method, headers: { authorization: `Bearer ${at.secret}` } })).status;
  expect(await status(`${url}/metrics`)).toBe(404);
  expect(await status(`${url}/readyz`)).toBe(404);
  expect(await status(`${adminUrl}/metrics`)).toBe(200);
  expect(await status(`${adminUrl}/v1/models`)).toBe(404);
  expect(await status(`${adminUrl}/v1/chat/completions`, "POST")).toBe(405);
  await at.close();
});
