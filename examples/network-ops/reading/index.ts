/** The door of the reader: notices in, statements with their doubts out, and lessons back in. */
export { type AskedFor, askedFor } from "./asked-for.ts";
export { grounded } from "./grounded.ts";
export { learn } from "./learn.ts";
export { hasShapeOf } from "./lessons.ts";
export { readNotice } from "./read.ts";
export type {
  Anchor,
  Doubt,
  DoubtField,
  Evidence,
  Knowledge,
  Lesson,
  LessonContent,
  Reading,
  WindowLesson,
} from "./types.ts";
