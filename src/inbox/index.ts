/** Room `inbox`: questions to people, what their attention is worth, their answers and nudges. */
export { answer, mayAnswer, tend, withdraw } from "./answering.ts";
export { ask, type Asked, lookAgain, type NewQuestion, subjectOf } from "./asking.ts";
export { chanceAtMost, type Observed, weigh, type Weighed, type Weighing } from "./economics.ts";
export {
  dueTogether,
  type LinkTo,
  markTold,
  messagesOf,
  type PersonMessage,
  tellsAt,
  toldNow,
} from "./messages.ts";
export {
  makeNudge,
  type NewNudge,
  type Nudge,
  NUDGE_CHARS_MAX,
  nudgeFromJson,
  nudgeToJson,
} from "./nudge.ts";
export {
  type Attention,
  checkAttention,
  type Level,
  type Person,
  type Quiet,
  quietUntil,
  type Route,
  secondsOf,
} from "./people.ts";
export {
  type Answer,
  type Card,
  type CardChange,
  type CardWish,
  type Choice,
  type Importance,
  importances,
  type Question,
  type QuestionStatus,
  type Via,
} from "./question.ts";
export { askedBefore, getQuestion, listQuestions, type QuestionFilter, questionsOf } from "./store.ts";
