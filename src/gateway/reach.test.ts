/** Where the gateway goes, and where it never does. */
import { createServer } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import { expect, test } from "vitest";
import type { ModelId } from "../kernel/index.ts";
import type { ModelCard } from "../models/index.ts";
import { cut, reply } from "../testing/index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";
import { guardedLookup } from "./reach.ts";
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

/** What becomes of a name that is at some addresses. */
function looked(host: string, addresses: readonly string[], privateHosts: readonly string[] = []): string {
  const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const lookup: LookupFunction = (_, __, answer) => answer(null, found);
  let told = "";
  guardedLookup({ privateHosts: () => privateHosts, lookup })(host, {}, (error, address) => {
    told = error === null && typeof address === "string" ? address : (error?.message ?? "");
  });
  return told;
}

test("a public name at a private address is refused, unless it is listed; a local name is not", () => {
  const own = ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"];
  const behind = ["::ffff:10.0.0.1", "64:ff9b::c0a8:101", "2002:7f00:1::"];
  for (const address of [...own, ...behind]) {
    expect(looked("api.example.com", [address]), address).toContain("private address");
    // One good address beside it makes it no better: either may be connected to.
    expect(looked("api.example.com", ["93.184.215.14", address])).toContain("privateHosts");
    for (const listed of ["api.example.com", "*.example.com", "API.Example.com"]) {
      expect(looked("api.example.com", [address], [listed])).toBe(address);
    }
    for (const listed of ["example.com", "*.api.example.com", "xapi.example.com"]) {
      expect(looked("api.example.com", [address], [listed])).toContain("private address");
    }
    for (const local of ["localhost", "ollama", "vllm.models.svc.cluster.local", "gpu.internal", "gpu."]) {
      expect(looked(local, [address])).toBe(address);
    }
  }
  expect(looked("api.example.com", ["93.184.215.14"])).toBe("93.184.215.14");
  for (const address of ["169.254.169.254", "fe80::1", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "0.0.0.0"]) {
    for (const host of ["metadata.google.internal", "localhost", "api.example.com"]) {
      expect(looked(host, [address], [host]), address).toContain("where no provider is");
    }
  }
});

async function askOf({ gateway, secret }: Opened): Promise<readonly [status: number, text: string]> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
    body: '{"model":"dear/large","max_tokens":9,"messages":[]}',
  });
  return [answer.status, await answer.text()];
}

test("a name is looked at whenever it is connected to, also once it has been called before", async () => {
  let address = "127.0.0.1";
  const lookup: LookupFunction = (_, __, answer) => answer(null, [{ address, family: 4 }]);
  const said: string[] = [];
  const named = (url: string): string => url.replace("127.0.0.1", "engines.example.com");
  const at = await opened(undefined, named, {
    ...{ lookup, privateHosts: ["engines.example.com"], say: (line: string) => said.push(line) },
  });
  at.provider.script(reply("ok"), cut({ afterChunks: 0 }));
  expect((await askOf(at))[0]).toBe(200);
  // Whoever answers for the name has it point elsewhere once it is trusted, and the connection is cut.
  address = "169.254.169.254";
  expect(await askOf(at)).toEqual([502, expect.stringContaining("upstream_forbidden")]);
  expect(await askOf(at)).toEqual([502, expect.stringContaining("upstream_forbidden")]);
  expect(at.provider.requests.length).toBe(2);
  expect(said).toEqual(["engines.example.com is at 169.254.169.254, where no provider is"]);
  // What broke off is tried again; what is forbidden is not.
  await at.gateway.flush();
  const { rows } = await at.db.query<{ label: string }>(
    "select label from factotum.gateway_attempts order by call_id, try",
  );
  expect(rows.map(({ label }) => label)).toEqual(["answered", "cut", "not-sent", "not-sent"]);
  await at.close();
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
