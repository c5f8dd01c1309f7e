import type { Context, Hono } from "hono";
import { html, raw } from "hono/html";
import { z } from "zod";
import type { Question } from "../inbox/index.ts";
import { InputError, systemClock } from "../kernel/index.ts";
import type { Factotum } from "./factotum.ts";
import { plainText, parseRequest, readText } from "./http-body.ts";
import { errorReply, HttpError } from "./http-errors.ts";
import { becameOf, type Links } from "./links.ts";
import { parseQuestionId } from "./parse-id.ts";

const NOTE_CHARS_MAX = 2_000;
const NAME_CHARS_MAX = 200;
/** The page is whole in itself: nothing is loaded, nothing is run, and nobody may frame it. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; " +
    "frame-ancestors 'none'; base-uri 'none'",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex",
};

const chatAnswer = z.strictObject({
  question: plainText,
  choice: plainText,
  by: plainText.min(1).max(NAME_CHARS_MAX),
  note: plainText.max(NOTE_CHARS_MAX).optional(),
});

/**
 * The routes that need no token of the API, because what is sent proves itself: a signed link, which a GET
 * shows and only a POST uses, so that a mail scanner answers nothing; and a signed call of a chat tool.
 * They come before the guard: a link is opened from another site, on whatever name the server has outside.
 */
export function linkRoutes(app: Hono, factotum: Factotum): void {
  const { links } = factotum;
  if (links === undefined) return;
  app.get("/answer/:token", (context) =>
    paged(context, async () => pageOf(await asked(factotum, links, context))),
  );
  app.post("/answer/:token", (context) =>
    paged(context, async () => {
      const { question, person } = await asked(factotum, links, context);
      const form = new URLSearchParams(await readText(context));
      const note = parseRequest(plainText.max(NOTE_CHARS_MAX), form.get("note") ?? "").trim();
      const choice = parseRequest(plainText, form.get("choice") ?? "");
      const given = { choice, by: person, via: "link" as const, ...(note !== "" && { note }) };
      return pageOf({ question: await factotum.answer(question.id, given), person });
    }),
  );
  app.post("/hooks/answer", async (context) => {
    const body = await readText(context);
    links.checkCall(context.req.raw.headers, body, systemClock.now());
    const { question, ...given } = parseRequest(chatAnswer, parsed(body));
    const { note, ...plain } = given;
    const answered = await factotum.answer(parseQuestionId(question), {
      ...{ ...plain, via: "chat" },
      ...(note !== undefined && { note }),
    });
    return context.json({ question: answered.id, status: answered.status, by: answered.by });
  });
}

type Asked = { readonly question: Question; readonly person: string };

async function asked(factotum: Factotum, links: Links, context: Context): Promise<Asked> {
  const { rows } = await factotum.db.query<{ at: Date }>("select factotum.now() as at");
  const claim = links.read(context.req.param("token") ?? "", rows[0]?.at ?? systemClock.now());
  const question = await factotum.question(claim.question);
  // A merged question is answered where it was merged into.
  const { mergedInto } = question;
  return {
    question: mergedInto === null ? question : await factotum.question(mergedInto),
    person: claim.person,
  };
}

/** Answers with a page, also where it went wrong: a person reads it. */
async function paged(context: Context, page: () => Promise<string>): Promise<Response> {
  for (const [name, value] of Object.entries(HEADERS)) context.header(name, value);
  try {
    return context.html(await page());
  } catch (error) {
    const { status, body } = errorReply(error);
    const message = error instanceof InputError || error instanceof HttpError ? body.error.message : "";
    const text = message === "" ? "Something failed here; answer in the inbox instead." : message;
    return context.html(await shell("This cannot be answered here", html`<p>${text}</p>`), status);
  }
}

async function pageOf({ question, person }: Asked): Promise<string> {
  const { card, status, defaultChoice, dueAt } = question;
  const known = html`${card.because.map((one) => html`<li>${one}</li>`)}`;
  const about = card.about.trim() === "" ? "" : html`<pre>${card.about}</pre>`;
  if (status !== "open") return shell(card.title, html`<p class="done">${becameOf(question)}</p>`);
  const choices = card.choices.filter((choice) => choice.wants === undefined);
  const waits =
    defaultChoice === null || dueAt === null
      ? ""
      : html`<p class="dim">
          Without an answer by ${dueAt.toISOString().slice(0, 16).replace("T", " ")} UTC it is:
          ${defaultChoice}
        </p>`;
  const changes = card.changes.map(
    (row) => html`<li>${row.kind} ${row.table} ${Object.values(row.key).join(", ")}</li>`,
  );
  return shell(
    card.title,
    html`<ul>
        ${known}
      </ul>
      ${about}
      <ul>
        ${changes}
      </ul>
      <form method="post">
        <label>A note, if you like<br /><textarea name="note" rows="2" maxlength="2000"></textarea></label>
        ${choices.map(
          (choice) => html`<button name="choice" value="${choice.id}" type="submit">${choice.label}</button>`,
        )}
      </form>
      ${waits}
      <p class="dim">You answer as ${person}.</p>`,
  );
}

type Markup = ReturnType<typeof html>;

async function shell(title: string, body: Markup): Promise<string> {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        ${body}
      </body>
    </html>`;
  return String(await page);
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid gray; padding-left: .8rem; }
textarea { width: 100%; box-sizing: border-box; font: inherit; }
button { display: block; width: 100%; margin: .6rem 0; padding: .8rem; font: inherit; text-align: left; }
.dim { opacity: .7; font-size: .9rem; }
.done { font-weight: bold; }`;

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new HttpError(400, "json-broken", "the body is not valid JSON");
  }
}
