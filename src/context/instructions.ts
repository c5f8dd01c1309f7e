import { InputError, type RunId, storableText } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { LessonOwner } from "./lessons.ts";

/** What a person said that an agent shall always do, for one tenant. */
export type Instruction = {
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly text: string;
  readonly by: string;
  /** The run that was nudged with it, if one was. */
  readonly runId: RunId | null;
  /** The instruction it was made from by an edit. */
  readonly replaces: string | null;
  readonly at: Date;
};

/** The most instructions that stand at once for one agent and tenant: more is a policy. */
const STANDING_MAX = 50;
const TEXT_CHARS_MAX = 4_000;
const COLUMNS = `id, tenant, agent, text, said_by as "by", run_id as "runId", replaces, said_at as at`;

/**
 * Lets an instruction stand; one that stands already in the same words is not added again.
 *
 * @throws {InputError} `instruction-empty`, `instruction-too-long`, `instructions-full`
 */
export async function instruct(
  tx: Transaction,
  owner: LessonOwner,
  said: { readonly text: string; readonly by: string; readonly runId?: RunId; readonly replaces?: string },
): Promise<Instruction> {
  const text = sentence(said.text);
  // Two that come at once see each other, so that neither the words nor the limit are passed twice.
  await tx.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
    `factotum instructions ${owner.tenant}/${owner.agent}`,
  ]);
  const standing = await listInstructions(tx, owner);
  const same = standing.find((one) => one.text === text);
  if (same !== undefined) return same;
  if (standing.length >= STANDING_MAX) {
    throw refused(
      "instructions-full",
      `${STANDING_MAX} instructions stand for ${owner.agent}; withdraw one, or put them in its policy`,
    );
  }
  const { rows } = await tx.query<Instruction>(
    `insert into factotum.instructions (tenant, agent, text, said_by, run_id, replaces)
     values ($1, $2, $3, $4, $5, $6) returning ${COLUMNS}`,
    [owner.tenant, owner.agent, text, storableText(said.by), said.runId ?? null, said.replaces ?? null],
  );
  return rows[0] as Instruction;
}

/** What stands, oldest first; of one agent and tenant, or of all. */
export async function listInstructions(
  tx: Pick<Transaction, "query">,
  owner: Partial<LessonOwner> = {},
): Promise<readonly Instruction[]> {
  const { rows } = await tx.query<Instruction>(
    `select ${COLUMNS} from factotum.instructions
     where withdrawn_at is null and ($1::text is null or tenant = $1) and ($2::text is null or agent = $2)
     order by id`,
    [owner.tenant ?? null, owner.agent ?? null],
  );
  return rows;
}

/** Takes an instruction back: later steps are not told it. @throws {InputError} `instruction-unknown` */
export async function withdrawInstruction(tx: Transaction, id: string, by: string): Promise<Instruction> {
  const { rows } = await tx.query<Instruction>(
    `update factotum.instructions set withdrawn_at = factotum.now(), withdrawn_by = $2
     where id = $1 and withdrawn_at is null returning ${COLUMNS}`,
    [id, storableText(by)],
  );
  if (rows[0] !== undefined) return rows[0];
  throw refused("instruction-unknown", `no instruction ${id} stands; list them with: factotum instructions`);
}

/**
 * Puts another wording in an instruction's place; the old one stays in its row.
 *
 * @throws {InputError} `instruction-unknown`, and what `instruct` throws
 */
export async function editInstruction(
  tx: Transaction,
  id: string,
  said: { readonly text: string; readonly by: string },
): Promise<Instruction> {
  const text = sentence(said.text);
  const old = await withdrawInstruction(tx, id, said.by);
  const owner = { tenant: old.tenant, agent: old.agent } as LessonOwner;
  return instruct(tx, owner, { text, by: said.by, replaces: id });
}

function sentence(given: string): string {
  const text = storableText(given).trim();
  if (text === "") throw refused("instruction-empty", "an instruction needs words");
  if (text.length <= TEXT_CHARS_MAX) return text;
  throw refused(
    "instruction-too-long",
    `an instruction may have ${TEXT_CHARS_MAX} characters, this one has ${text.length}`,
  );
}

function refused(code: string, message: string): InputError {
  return new InputError({ code, message });
}
