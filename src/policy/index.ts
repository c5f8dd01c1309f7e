/** Room `policy`: checks over a change set and what their verdicts add up to. */
export {
  BECAUSE_CHARS_MAX,
  type Check,
  CHECK_MS_MAX,
  type CheckContext,
  type Finding,
  FINDINGS_MAX,
  type Found,
  type StagedView,
  type ToolCall,
  type Turn,
  type Verdict,
  type VerdictKind,
  verdictsOf,
  type VerifierKind,
  verify,
  type VerifyOptions,
} from "./check.ts";
export { askGuards, type Guard, type GuardContext, guardsOf } from "./guard.ts";
export { type Ruling, rule } from "./ruling.ts";
export { anyOf, softer, when } from "./combine.ts";
export { calledAny, ticked, type TickedOptions, type Wish } from "./wishes.ts";
export {
  invariant,
  onlyEffects,
  onlyTables,
  person,
  sqlAssertion,
  type SqlAssertionOptions,
} from "./checks.ts";
