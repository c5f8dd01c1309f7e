import { type Key, type KeyTerms, parseKeyId } from "../server/index.ts";
import { InputError } from "../kernel/index.ts";
import { type Command, loadProject, type Setting, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTable } from "./render-table.ts";

const PORT_DEFAULT = 7718;
const HOST_DEFAULT = "127.0.0.1";

/** Where it listens, as typed. */
export type GatewayOptions = { readonly host?: string; readonly port?: number; readonly adminPort?: number };

/** Serves the stateless model API alone, until stopped. */
export function gatewayCommand(options: GatewayOptions): Command {
  return async (setting) => {
    const { config, path, files } = await loadProject(setting);
    const { terminal, signal } = setting;
    return withFactotum(setting, async (factotum) => {
      const host = options.host ?? HOST_DEFAULT;
      const port = options.port ?? config.gateway?.port ?? PORT_DEFAULT;
      const { adminPort } = options;
      const gateway = await factotum.gateway.serve({
        host,
        port,
        follow: { path, files },
        ...(adminPort !== undefined && { adminPort }),
      });
      setting.onHangup(() => void gateway.reload());
      try {
        if (terminal.json) terminal.result({ url: gateway.url });
        terminal.note(`serving models at ${gateway.url}/v1; make a key with: npx factotum key create NAME`);
        if (gateway.adminUrl !== null) terminal.note(`metrics at ${gateway.adminUrl}/metrics`);
        terminal.note("stop with Ctrl-C");
        await aborted(signal);
        terminal.note("stopping: calls under way are finished first");
      } finally {
        await gateway.close();
      }
      return exitCodes.ok;
    });
  };
}

/** What a new key may do, as typed. */
export type KeyOptions = {
  readonly tenant?: string;
  readonly models?: string;
  readonly budget?: string;
  readonly capUsd?: number;
  readonly days?: number;
  readonly rpm?: number;
  readonly tpm?: number;
  readonly cache?: number;
};

const DAY_MS = 86_400_000;

/** Makes a key and shows it, once. */
export function createKeyCommand(name: string, options: KeyOptions): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const { budget, capUsd } = options;
      if (capUsd !== undefined && budget === undefined) {
        throw new InputError({ code: "budget-missing", message: "--cap-usd needs --budget, which it caps" });
      }
      const cap = capUsd === undefined ? undefined : { usd: capUsd };
      show(await factotum.gateway.createKey(termsOf(name, options), cap), setting);
      return exitCodes.ok;
    });
}

/** Lists keys, newest first. */
export function listKeysCommand(): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const keys = await factotum.gateway.listKeys();
      const { terminal } = setting;
      if (terminal.json) terminal.result({ keys });
      else if (keys.length === 0) terminal.out("no key");
      else terminal.out(renderTable(COLUMNS, keys.map(line), terminal));
      return exitCodes.ok;
    });
}

/** Ends a key at once. */
export function revokeKeyCommand(text: string): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const key = await factotum.gateway.revokeKey(parseKeyId(text));
      if (setting.terminal.json) setting.terminal.result({ key });
      else setting.terminal.out(`key ${key.id} (${key.name}) holds no more`);
      return exitCodes.ok;
    });
}

/** Gives a key a new text; the former holds for a while. */
export function rotateKeyCommand(text: string, graceSeconds: number): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      show(await factotum.gateway.rotateKey(parseKeyId(text), graceSeconds), setting);
      return exitCodes.ok;
    });
}

function termsOf(name: string, options: KeyOptions): KeyTerms {
  const { tenant, models, budget, days, rpm, tpm, cache } = options;
  return {
    name,
    ...(tenant !== undefined && { tenant: tenant as NonNullable<KeyTerms["tenant"]> }),
    ...(models !== undefined && { models: models.split(",").map((model) => model.trim()) }),
    ...(budget !== undefined && { budget }),
    ...(rpm !== undefined && { requestsPerMinute: rpm }),
    ...(tpm !== undefined && { tokensPerMinute: tpm }),
    ...(cache !== undefined && { cacheSeconds: cache }),
    ...(days !== undefined && { expiresAt: new Date(Date.now() + days * DAY_MS) }),
  };
}

function show({ key, secret }: { readonly key: Key; readonly secret: string }, { terminal }: Setting): void {
  if (terminal.json) terminal.result({ key, secret });
  else terminal.out(secret);
  terminal.note(`this is key ${key.id} (${key.name}); it is shown this once and kept nowhere`);
}

const COLUMNS = ["key", "name", "tenant", "models", "a minute", "state"].map((title) => ({ title }));

function line(key: Key): readonly string[] {
  const state =
    key.revokedAt !== null
      ? "revoked"
      : key.expiresAt === null
        ? "holds"
        : `until ${key.expiresAt.toISOString()}`;
  return [key.id, key.name, key.tenant, key.models?.join(", ") ?? "all", paceOf(key), state];
}

function paceOf({ requestsPerMinute, tokensPerMinute }: Key): string {
  const requests = requestsPerMinute === null ? [] : [`${requestsPerMinute} requests`];
  const tokens = tokensPerMinute === null ? [] : [`${tokensPerMinute} tokens`];
  return [...requests, ...tokens].join(", ") || "any";
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
