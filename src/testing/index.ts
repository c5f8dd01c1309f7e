/** Room `testing`: what tests of Factotum, and of agents built on it, are written with. */
export { type FakeClock, fakeClock } from "./clock.ts";
export { makeTemplate, makeThrowaway, type TestServer } from "./database.ts";
export { throwawayDatabase } from "./throwaway.ts";
export {
  brokenStream,
  cut,
  errorEvent,
  hang,
  malformedToolArguments,
  notJson,
  refused,
  reply,
  type ScriptedAnswer,
  type ScriptedReply,
  type ScriptedToolCall,
  type ScriptedUsage,
  status,
} from "./scripted-answer.ts";
export {
  type ScriptedProvider,
  scriptedProvider,
  type ScriptedRequest,
  type ScriptedTurn,
} from "./scripted-provider.ts";
export type { Wire } from "./scripted-wires.ts";
export { withQuery } from "./with-query.ts";
