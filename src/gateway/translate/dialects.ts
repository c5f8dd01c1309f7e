import type { Json, JsonObject } from "../../kernel/index.ts";
import { heardAnthropic, hearAnthropic } from "./anthropic-hear.ts";
import { readAnthropic } from "./anthropic-read.ts";
import { sayAnthropic, sayingAnthropic } from "./anthropic-say.ts";
import { writeAnthropic } from "./anthropic-write.ts";
import type { Ask, Said, WholeSaid } from "./ask.ts";
import { heardChat, hearChat } from "./chat-hear.ts";
import { readChat } from "./chat-read.ts";
import { sayChat, sayingChat } from "./chat-say.ts";
import { writeChat } from "./chat-write.ts";
import { heardConverse, hearConverse } from "./converse-hear.ts";
import { writeConverse } from "./converse-write.ts";
import type { Losses } from "./fields.ts";
import { heardGoogle, hearGoogle } from "./google-hear.ts";
import { readGoogle } from "./google-read.ts";
import { sayGoogle, sayingGoogle } from "./google-say.ts";
import { writeGoogle } from "./google-write.ts";
import type { Hearing } from "./hearing.ts";
import { heardResponses, hearResponses } from "./responses-hear.ts";
import { readResponses } from "./responses-read.ts";
import { sayingResponses, sayResponses } from "./responses-say.ts";
import { writeResponses } from "./responses-write.ts";
import type { SayFor, Saying } from "./saying.ts";
import type { WriteFor } from "./wanted.ts";

/** The protocols between which calls are translated. */
export type Spoken = "openai-chat" | "openai-responses" | "anthropic-messages" | "google-generate";

/** The protocols in which models are asked: some no client speaks. */
export type Heard = Spoken | "bedrock-converse";

/** A protocol as models are asked in it: a request, then its answer, whole and as a stream. */
type ModelSide = {
  readonly write: (ask: Ask, to: WriteFor, losses: Losses) => JsonObject;
  readonly heard: (reply: Json) => readonly Said[];
  readonly hearing: () => Hearing;
};

/** A protocol as clients speak it, too. */
type Dialect = ModelSide & {
  readonly read: (body: JsonObject, losses: Losses) => Ask;
  readonly say: (whole: WholeSaid, to: SayFor) => JsonObject;
  readonly saying: (to: SayFor) => Saying;
};

/** All that are spoken: each is translated to and from what they have in common. */
export const dialects: Readonly<Record<Spoken, Dialect>> = {
  "openai-chat": {
    ...{ read: readChat, write: writeChat, heard: heardChat, hearing: hearChat },
    ...{ say: sayChat, saying: sayingChat },
  },
  "openai-responses": {
    ...{ read: readResponses, write: writeResponses, heard: heardResponses, hearing: hearResponses },
    ...{ say: sayResponses, saying: sayingResponses },
  },
  "anthropic-messages": {
    ...{ read: readAnthropic, write: writeAnthropic, heard: heardAnthropic, hearing: hearAnthropic },
    ...{ say: sayAnthropic, saying: sayingAnthropic },
  },
  "google-generate": {
    ...{ read: readGoogle, write: writeGoogle, heard: heardGoogle, hearing: hearGoogle },
    ...{ say: sayGoogle, saying: sayingGoogle },
  },
};

/** All in which models are asked. */
export const heardDialects: Readonly<Record<Heard, ModelSide>> = {
  ...dialects,
  "bedrock-converse": { write: writeConverse, heard: heardConverse, hearing: hearConverse },
};

/** Whether calls in a protocol can be translated. */
export function isSpoken(protocol: string): protocol is Spoken {
  return Object.hasOwn(dialects, protocol);
}
