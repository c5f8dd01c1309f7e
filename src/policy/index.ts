/** Room `policy`: checks over a change set and what their verdicts add up to. */
export {
  type Check,
  type CheckContext,
  type Finding,
  type StagedView,
  type ToolCall,
  type Verdict,
  type VerdictKind,
  verify,
} from "./check.ts";
export { type Ruling, rule } from "./ruling.ts";
export { invariant, onlyTables, sqlAssertion } from "./checks.ts";
