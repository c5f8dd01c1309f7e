/** Room `agents`: agents over a database; the attempt: staged, verified, committed or escalated. */
export {
  type Agent,
  type CodeWork,
  type Converse,
  type HandOff,
  defineAgent,
  type Follow,
  type FollowStep,
  type Resolved,
  type RestingStep,
  type Rung,
  type RungEnd,
  type Waking,
} from "./agent.ts";
export { type AskAnswer, type AskOrder, type Asks } from "./asking.ts";
export { NO_ATTEMPT } from "./attending.ts";
export { type Attempt, listAttempts } from "./attempts.ts";
export { type Compared, compareRuns, type Comparison } from "./compare.ts";
export { type Drive, makeDriver } from "./driver.ts";
export { type ForkOrder, forkRun } from "./fork.ts";
export { generateTools } from "./generate/generate-tools.ts";
export { type Begun, makeOutside, type Outside, type OutsideOrder, type Watcher } from "./outside.ts";
export type { Committed } from "./outside-commit.ts";
export type { Standing } from "./outside-standing.ts";
export { type Refusal, RefusedError } from "./refusal.ts";
export { listSaid, type Said, say, type Saying } from "./say.ts";
export {
  agreement,
  type AgreementVerifier,
  type Evidence,
  type ModelVerifier,
  type Verifier,
} from "./verifier.ts";
export { type AskModelOptions, judge, tickedByModel } from "./judge.ts";
export { type AgentState, type Disposition, readState } from "./state.ts";
export { listNudges, type Nudged, steer } from "./steer.ts";
export { allTokens, summarise, type Summary } from "./summary.ts";
export {
  type Margin,
  type MarginKey,
  marginKeys,
  margins,
  routingSaved,
  type RoutingSaved,
} from "./margins.ts";
export { calledFirst } from "./provider.ts";
export { openSpending, ROOT_BUDGET, type Spending } from "./spending.ts";
export { openToolbox, type Toolbox } from "./toolbox.ts";
export type { TableAccess, TableGrant } from "../changes/index.ts";
export type { Lesson } from "../context/index.ts";
export type { StagedView } from "../policy/index.ts";
export { type Tool, type ToolContext, type ToolSpec, tool } from "./tool.ts";
export { undoRun } from "./undo.ts";
export type { WorkshopParts } from "./workshop.ts";
export { type Cancelled, type Cancelling, cancelRun } from "./cancel-run.ts";
export type { ChildRun, ChildWork, EndedEarly, Migration, StandingChange } from "./lives.ts";
export type { ComeFile, Schedule as AgentSchedule, StartFor, TableChange, Trigger } from "./starts.ts";
export {
  listStranded,
  type StrandedRun,
  unstrand,
  type VersionFound,
  versionFor,
  type Versions,
} from "./versions.ts";
