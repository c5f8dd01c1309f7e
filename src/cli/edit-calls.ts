import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError, messageOf } from "../kernel/index.ts";
import type { Terminal } from "./terminal.ts";
import { type Calls, parseCalls } from "./read-calls.ts";

/**
 * Opens tool calls as JSON in the person's editor and reads back what they made of them, as often as it
 * takes; undefined when they give up.
 *
 * @param isTemplate `start` holds placeholders: left as it is, it is no answer
 */
export async function editCalls(
  start: Calls,
  isTemplate: boolean,
  env: { readonly [name: string]: string | undefined },
  terminal: Terminal,
): Promise<Calls | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "factotum-"));
  const file = join(folder, "calls.json");
  try {
    const template = `${JSON.stringify(start, null, 2)}\n`;
    await writeFile(file, template);
    for (;;) {
      openEditor(file, env);
      try {
        const edited = await readFile(file, "utf8");
        if (!isTemplate || edited !== template) return parseCalls(edited, "the edited file");
        terminal.note("nothing was filled in");
      } catch (error) {
        terminal.note(messageOf(error));
      }
      const { confirm, isCancel } = await import("@clack/prompts");
      const again = await confirm({ message: "Edit it again?" });
      if (isCancel(again) || !again) return undefined;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function openEditor(file: string, env: { readonly [name: string]: string | undefined }): void {
  const editor = env["VISUAL"] ?? env["EDITOR"] ?? (process.platform === "win32" ? "notepad" : "vi");
  // Through a shell, because EDITOR is by custom a command with arguments, such as `code --wait`.
  const { status } = spawnSync(`${editor} "${file}"`, { shell: true, stdio: "inherit" });
  if (status === 0) return;
  throw new InputError({
    code: "editor-failed",
    message:
      `the editor "${editor}" did not end well; set EDITOR, or use: ` +
      `factotum answer QUESTION correct --calls FILE`,
  });
}
