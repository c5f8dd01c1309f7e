/** Room `inbox`: questions put to people, and their answers. */
export {
  type Answer,
  type Card,
  type CardChange,
  type CardWish,
  type Choice,
  type Question,
} from "./question.ts";
export { answer, ask, getQuestion, listQuestions, settleDue, withdraw } from "./store.ts";
