import { z } from "zod";
import { InputError } from "../kernel/index.ts";

const usdPerMtok = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,12})?$/, 'a decimal number of US dollars per million tokens, as text, like "0.15"');

const decimal = z.string().regex(/^\d{1,12}(\.\d{1,6})?$/, 'a decimal number, as text, like "0.15"');
const perKind = {
  cachedInputUsdPerMtok: usdPerMtok.optional(),
  cacheWriteUsdPerMtok: usdPerMtok.optional(),
  reasoningUsdPerMtok: usdPerMtok.optional(),
};
const tier = z.strictObject({
  aboveInputTokens: z.int().positive(),
  inputUsdPerMtok: usdPerMtok.optional(),
  outputUsdPerMtok: usdPerMtok.optional(),
  ...perKind,
});
const tieredUsd = {
  inputUsdPerMtok: usdPerMtok,
  outputUsdPerMtok: usdPerMtok,
  ...perKind,
  tiers: z.array(tier).max(100).optional(),
};
const statedUsd = {
  ...tieredUsd,
  requestUsd: decimal.optional(),
  batch: z.strictObject(tieredUsd).optional(),
  longCacheWriteUsdPerMtok: usdPerMtok.optional(),
  audioInputUsdPerMtok: usdPerMtok.optional(),
  audioOutputUsdPerMtok: usdPerMtok.optional(),
  toolUsd: z.record(z.string().regex(/^\w{1,60}$/), decimal).optional(),
  flex: z.strictObject(tieredUsd).optional(),
  priority: z.strictObject(tieredUsd).optional(),
};
const instant = z.iso.datetime({ offset: true }).or(z.iso.date());
const changes = z
  .array(z.strictObject({ from: instant, ...statedUsd }))
  .max(1000)
  .optional();
const price = z.strictObject({ ...statedUsd, changes });
const energy = z.strictObject({
  inputJoulesPerMtok: decimal,
  outputJoulesPerMtok: decimal,
  usdPerKwh: decimal,
});
/** A price in a list, from an instant on where one is told; `changes` are more of them. */
const dated = z.union([
  z.strictObject({ local: z.literal(true), energy: energy.optional(), from: instant.optional() }),
  z.strictObject({ ...statedUsd, from: instant.optional(), changes }),
]);

const cardConfig = z.strictObject({
  id: z.string().regex(/^[^/\s]+\/\S+$/, "an endpoint and a model, like openai/gpt-6-luna"),
  provider: z.enum(["openai", "anthropic", "google", "azure", "bedrock", "openai-compatible"]).optional(),
  model: z.string().min(1).optional(),
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  keyFrom: z.string().min(1).optional(),
  wire: z.enum(["chat", "responses"]).optional(),
  apiVersion: z.string().min(1).max(40).optional(),
  lacks: z.array(z.enum(["tools", "images", "audio", "files", "schema"])).optional(),
  contextTokens: z.int().positive().optional(),
  outputTokensMax: z.int().positive().optional(),
  local: z.literal(true).optional(),
  energy: energy.optional(),
  price: price.optional(),
  batch: z.literal(true).optional(),
});
const modelsConfig = z.strictObject({ models: z.array(cardConfig).max(1000).optional() });

/** One model in a config file; `keyFrom` names the environment variable that holds its endpoint's key. */
export type CardConfig = z.infer<typeof cardConfig>;

/** The part of a config file that is about models. */
export type ModelsConfig = z.infer<typeof modelsConfig>;

/** A price as a file states it. */
export type PriceConfig = z.infer<typeof price>;

/** A price as a list of them states it, with the instant from which it holds where one is told. */
export type DatedPriceConfig = z.infer<typeof dated>;

/**
 * Reads a list of prices by model: `{"openai/gpt-5": {"inputUsdPerMtok": "1.25", …}}`, each with `from` where
 * it begins at an instant, and own engines as `{"local": true, "energy": {…}}`.
 *
 * @throws {InputError} `prices-invalid` naming the field that is wrong
 */
export function parsePrices(value: unknown): ReadonlyMap<string, DatedPriceConfig> {
  const parsed = z.record(z.string(), dated).safeParse(value);
  if (parsed.success) return new Map(Object.entries(parsed.data));
  const message = `the list of prices is wrong; mend it:\n${z.prettifyError(parsed.error)}`;
  throw new InputError({ code: "prices-invalid", message });
}

/**
 * Reads the models of a config file.
 *
 * @throws {InputError} `models-config` naming the field that is wrong
 */
export function parseModelsConfig(value: unknown): ModelsConfig {
  const parsed = modelsConfig.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const message = `the list of models in the config is wrong; mend it:\n${z.prettifyError(parsed.error)}`;
  throw new InputError({ code: "models-config", message });
}
