/** Rung 1 of the desk: it reads a notice without a token, and says how sure it is. */
import type { CodeWork, Rung, RungEnd } from "factotum/agents";
import { messageOf } from "factotum/kernel";
import type { Notice } from "../notice.ts";
import { readNotice, type Reading } from "../reading/index.ts";
import { knowledgeOf } from "./knowledge.ts";

/** The generic reader as a rung: it stages what it read, with every doubt it has. */
export const readerRung: Rung<Notice> = {
  kind: "code",
  name: "reader",
  async run(work) {
    const reading = readNotice(work.input, await knowledgeOf(work.view, work.lessons));
    if (!reading.relevant) return { kind: "refuse", because: firstDoubt(reading) };
    const doubts = reading.doubts.map(({ field, because }) => `${field}: ${because}`);
    if (reading.statements.length === 0) return { kind: "stuck", because: doubts.join("; ") };
    return stageAll(work, reading, doubts);
  },
};

async function stageAll(work: CodeWork<Notice>, reading: Reading, doubts: string[]): Promise<RungEnd> {
  try {
    for (const { sentAt: _sent, ...statement } of reading.statements)
      await work.call("record_notice", statement);
    return { kind: "finished", doubts };
  } catch (error) {
    return { kind: "stuck", because: [...doubts, messageOf(error)].join("; ") };
  }
}

function firstDoubt(reading: Reading): string {
  return reading.doubts[0]?.because ?? "it announces no maintenance";
}
