/** The processes that `bench:gateway` measures, each pinned to one core, and what they use of it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

/** What is measured. */
export type Subject = {
  readonly name: "portkey" | "gateway" | "pipe" | "nginx";
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly process: ChildProcess;
};

/** With newer versions of its HTTP framework, which a fresh install brings, its streams fail. */
const FRAMEWORK = { hono: "4.9.7", "@hono/node-server": "1.13.5" };
const PORTKEY = {
  ...{ private: true, dependencies: { "@portkey-ai/gateway": "1.15.2", ...FRAMEWORK } },
  overrides: FRAMEWORK,
};
const CACHE = join(homedir(), ".cache", "factotum");
const PATH = "/v1/chat/completions";
const START_MS_MAX = 20_000;

/** Arguments that pin a command to a core; none where the machine cannot. */
export function pinned(core: number): readonly string[] {
  try {
    execFileSync("taskset", ["-c", String(core), "true"], { stdio: "ignore" });
    return ["taskset", "-c", String(core)];
  } catch {
    return [];
  }
}

/** Starts a module of ours that sends its port. */
export async function startModule(file: string, core: number, args: readonly string[], flags: string[] = []) {
  const [command, ...pin] = [...pinned(core), process.execPath];
  const module = join(import.meta.dirname, file);
  const child = spawn(command ?? "", [...pin, "--conditions=factotum-source", ...flags, module, ...args], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(CACHE, "compiled") },
  });
  const [port] = (await once(child, "message")) as [number];
  return { child, port };
}

/** Portkey's gateway from npm, in a cache folder of its own; null where it cannot be installed. */
export async function startPortkey(core: number, upstream: string): Promise<Subject | null> {
  const folder = join(CACHE, "bench-portkey");
  const server = join(folder, "node_modules", "@portkey-ai", "gateway", "build", "start-server.js");
  if (!existsSync(server)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify(PORTKEY));
    try {
      const flags = ["--no-audit", "--no-fund", "--ignore-scripts"];
      execFileSync("npm", ["install", ...flags], { cwd: folder, stdio: "ignore" });
    } catch {
      return null;
    }
  }
  const port = await freePort();
  const [command, ...pin] = [...pinned(core), process.execPath];
  const child = spawn(command ?? "", [...pin, server, `--port=${port}`, "--headless"], {
    stdio: "ignore",
    env: { ...process.env, TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost", NODE_ENV: "production" },
  });
  const headers = {
    ...{ "x-portkey-provider": "openai", "x-portkey-custom-host": upstream },
    authorization: "Bearer bench-upstream-key",
  };
  return (await listens(port)) ? { name: "portkey", port, path: PATH, headers, process: child } : null;
}

/** nginx as a reverse proxy with one process; null where it is not installed. */
export async function startNginx(core: number, folder: string, upstream: number): Promise<Subject | null> {
  const port = await freePort();
  const file = join(folder, "nginx.conf");
  writeFileSync(file, nginxConfig(folder, port, upstream));
  const [command, ...pin] = [...pinned(core), "nginx"];
  const child = spawn(command ?? "", [...pin, "-c", file, "-e", join(folder, "nginx.log")], {
    stdio: "ignore",
  });
  const missing = once(child, "error").then(() => false);
  const found = await Promise.race([listens(port), missing, once(child, "exit").then(() => false)]);
  return found ? { name: "nginx", port, path: PATH, headers: {}, process: child } : null;
}

function nginxConfig(folder: string, port: number, upstream: number): string {
  return `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder}; keepalive_requests 100000000;
  upstream provider { server 127.0.0.1:${upstream}; keepalive 512; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
      proxy_set_header authorization "Bearer bench-upstream-key";
    }
  }
}
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function listens(port: number): Promise<boolean> {
  for (const began = performance.now(); performance.now() - began < START_MS_MAX;) {
    const socket = connect({ port, host: "127.0.0.1" });
    const up = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (up) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

const TICKS_PER_S = 100;

/** Seconds of processor time that a process has used, all of its threads together. */
export function cpuSecondsOf(pid: number): number {
  const after = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1] ?? "";
  const fields = after.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

/** Resident memory of a process. */
export function rssMbOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) / 1024;
}
