import type { ProviderKind } from "./spec.ts";

/** Environment variables as passed in; rooms never read them themselves. */
export type Env = Readonly<Record<string, string | undefined>>;

/** A place where models are served, named by the part of a model's id before the first slash. */
export type Endpoint = {
  readonly name: string;
  readonly provider: ProviderKind;
  /** Variables that may hold the key, the first one set wins. */
  readonly keyNames: readonly string[];
  readonly urlName: string | null;
  /** The address when the variable is not set; null: the provider's own. */
  readonly url: string | null;
  /** An engine of one's own: the price is zero because the operator chose this endpoint. */
  readonly local: boolean;
};

/** Every endpoint that can be named without a config file. */
export const endpoints: readonly Endpoint[] = [
  hosted("anthropic", ["ANTHROPIC_API_KEY"], "ANTHROPIC_BASE_URL"),
  hosted("google", ["GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"], null),
  hosted("openai", ["OPENAI_API_KEY"], "OPENAI_BASE_URL"),
  {
    ...{ name: "azure", provider: "azure", keyNames: ["AZURE_OPENAI_API_KEY"] },
    ...{ urlName: "AZURE_OPENAI_ENDPOINT", url: null, local: false },
  },
  {
    ...{ name: "bedrock", provider: "bedrock", keyNames: ["AWS_BEARER_TOKEN_BEDROCK"] },
    ...{ urlName: "BEDROCK_BASE_URL", url: null, local: false },
  },
  {
    ...{ name: "mistral", provider: "openai-compatible", keyNames: ["MISTRAL_API_KEY"] },
    ...{ urlName: null, url: "https://api.mistral.ai/v1", local: false },
  },
  own("ollama", "OLLAMA_HOST", "http://127.0.0.1:11434", []),
  own("vllm", "VLLM_BASE_URL", "http://127.0.0.1:8000", ["VLLM_API_KEY"]),
  own("llama.cpp", "LLAMA_CPP_BASE_URL", "http://127.0.0.1:8080", ["LLAMA_CPP_API_KEY"]),
  {
    ...{ name: "openai-compatible", provider: "openai-compatible", keyNames: ["OPENAI_API_KEY"] },
    ...{ urlName: "OPENAI_BASE_URL", url: null, local: false },
  },
];

/** The key of an endpoint, if the environment has one. An empty variable counts as not set. */
export function keyOf(endpoint: Endpoint, env: Env): string | undefined {
  const key = endpoint.keyNames.map((name) => valueOf(env, name)).find((each) => each !== undefined);
  return key ?? (endpoint.provider === "bedrock" ? accessKeyOf(env) : undefined);
}

/** The address of an endpoint, or null for the provider's own. */
export function urlOf(endpoint: Endpoint, env: Env): string | null {
  const set = endpoint.urlName === null ? undefined : valueOf(env, endpoint.urlName);
  const url = set ?? (endpoint.provider === "bedrock" ? bedrockUrl(env) : endpoint.url);
  return url === null ? null : baseUrlOf(url, endpoint);
}

/** The two or three parts of an access key of AWS, none of which has a colon, as one key. */
function accessKeyOf(env: Env): string | undefined {
  const id = valueOf(env, "AWS_ACCESS_KEY_ID");
  const secret = valueOf(env, "AWS_SECRET_ACCESS_KEY");
  const session = valueOf(env, "AWS_SESSION_TOKEN") ?? "";
  return id === undefined || secret === undefined ? undefined : `aws:${id}:${secret}:${session}`;
}

function bedrockUrl(env: Env): string | null {
  const region = valueOf(env, "AWS_REGION") ?? valueOf(env, "AWS_DEFAULT_REGION");
  return region === undefined ? null : `https://bedrock-runtime.${region}.amazonaws.com`;
}

/** Whether the environment names the endpoint's address. */
export function urlIsSet(endpoint: Endpoint, env: Env): boolean {
  return endpoint.urlName !== null && valueOf(env, endpoint.urlName) !== undefined;
}

function hosted(
  name: Exclude<ProviderKind, "openai-compatible" | "azure" | "bedrock">,
  keyNames: readonly string[],
  urlName: string | null,
): Endpoint {
  return { name, provider: name, keyNames, urlName, url: null, local: false };
}

function own(name: string, urlName: string, url: string, keyNames: readonly string[]): Endpoint {
  return { name, provider: "openai-compatible", keyNames, urlName, url, local: true };
}

function valueOf(env: Env, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === "" ? undefined : value;
}

/** `OLLAMA_HOST` may be a bare `host:port`; engines of one's own and Anthropic are named without `/v1`. */
function baseUrlOf(value: string, endpoint: Endpoint): string {
  const url = (/^https?:\/\//.test(value) ? value : `http://${value}`).replace(/\/+$/, "");
  const bare = endpoint.local || endpoint.provider === "anthropic";
  return bare && !/\/v\d+[a-z0-9]*$/.test(url) ? `${url}/v1` : url;
}
