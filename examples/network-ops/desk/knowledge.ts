import type { Lesson, StagedView } from "factotum/agents";
import type { Knowledge, Lesson as ReadingLesson } from "../reading/index.ts";

/** What the desk knows before it reads a notice: its carriers, its circuits, and what it was taught. */
export async function knowledgeOf(view: StagedView, lessons: readonly Lesson[]): Promise<Knowledge> {
  const carriers = await view.query<{ name: string }>("select name from netops.carriers order by name");
  const circuits = await view.query<{ carrier: string; circuitId: string }>(
    `select k.name as carrier, c.carrier_circuit_id as "circuitId"
       from netops.circuits c join netops.carriers k on k.id = c.carrier_id
      order by k.name, c.carrier_circuit_id`,
  );
  return {
    carriers: carriers.rows,
    circuits: circuits.rows,
    lessons: lessons.map(
      ({ topic, shape, content }) => ({ carrier: topic, shape, content }) as ReadingLesson,
    ),
  };
}
