/** Room `policy`: checks over a change set and what their verdicts add up to. */
export {
  type Check,
  type CheckContext,
  type Finding,
  type StagedView,
  type ToolCall,
  type Turn,
  type Verdict,
  type VerdictKind,
  type VerifierKind,
  verify,
} from "./check.ts";
export { askGuards, type Guard, type GuardContext, guardsOf } from "./guard.ts";
export { type Ruling, rule } from "./ruling.ts";
export { invariant, onlyEffects, onlyTables, sqlAssertion } from "./checks.ts";
