/** Room `server`: the composition root. It alone reads configuration and wires the rooms together. */
export {
  type BadItem,
  type ClockConfig,
  type Config,
  defineConfig,
  type Intake,
  type WorkItem,
} from "./config.ts";
export type { Finding } from "./diagnose.ts";
export { type Factotum, openFactotum, type Surroundings } from "./factotum.ts";
export { loadConfig } from "./load-config.ts";
export type { RunLine, RunStory } from "./story.ts";
