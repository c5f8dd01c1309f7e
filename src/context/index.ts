/** Room `context`: what agents learned and may rely on next time. */
export { forget, type Lesson, recall, remember } from "./lessons.ts";
