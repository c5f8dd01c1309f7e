/** Room `context`: what agents learned and may rely on next time, and what people told them for good. */
export {
  editInstruction,
  instruct,
  type Instruction,
  listInstructions,
  withdrawInstruction,
} from "./instructions.ts";
export { forget, type Lesson, type LessonOwner, recall, remember } from "./lessons.ts";
