import { parseRunId, saidJson } from "../server/index.ts";
import { cleanText } from "./clean-text.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTime } from "./render-time.ts";
import { who } from "./who.ts";

/** Says something to a run, as the person on its other side. */
export function sayCommand(run: string, text: string, ends: boolean): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const said = await factotum.say(id, { by: who(), text, ends });
      const { terminal } = setting;
      if (terminal.json) terminal.result(saidJson(said));
      else terminal.out(ends ? `the conversation of run ${id} is ended` : `said to run ${id}`);
      terminal.note("the agent answers where factotum run or factotum serve is running");
      return exitCodes.ok;
    });
  };
}

/** Shows what was said in a run. */
export function hearCommand(run: string): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const said = await factotum.messages(id);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ messages: said.map(saidJson) });
      else if (said.length === 0) terminal.out("nothing was said");
      for (const { at, by, text, ends } of terminal.json ? [] : said) {
        const end = ends ? terminal.paint.dim(" (ends)") : "";
        terminal.out(
          `${terminal.paint.dim(renderTime(at))}  ${terminal.paint.bold(by)}  ${cleanText(text)}${end}`,
        );
      }
      return exitCodes.ok;
    });
  };
}
