/** How hard a phrase says that something is hit: the words for each degree of impact. */
import type { Impact } from "../notice.ts";
import { wordsIn } from "./words.ts";

/** What a phrase says: a degree, some unknown degree, a mere risk, or nothing about impact. */
export type Degree = Impact | "SOME" | "AFFECTING" | "LASTING" | "RISK" | "UNCLEAR" | undefined;

const HARM =
  String.raw`(?:impact\w*|influence|disconnections?|outages?|downtime|interruptions?|disruptions?|effect|` +
  String.raw`loss of (?:service|` +
  String.raw`connectivity|traffic)|service[- ](?:impact|outage|interruption)\w*|affect\w*|` +
  String.raw`interrupt\w*|disrupt\w*)`;
const NONE = new RegExp(
  [
    String.raw`\bno (?:\w+ ){0,3}?${HARM}`,
    String.raw`\b(?:not|n't|never) (?:\w+ ){0,5}?${HARM}`,
    String.raw`\bwithout (?:any |service |customer )*${HARM}`,
    String.raw`\b(?:non|not)[- ]?(?:service[- ]?|customer[- ]?|traffic[- ]?)?(?:impact\w*|affect\w*|` +
      String.raw`intrusive|disruptive)`,
    String.raw`\bhitless\b`,
    String.raw`\b(?:unaffected|zero (?:impact|downtime))\b`,
    String.raw`\b(?:nil|none) (?:impact|expected|anticipated)`,
  ].join("|"),
  "gi",
);
const REDUNDANCY = new RegExp(
  String.raw`\b(?:loss of (?:\w+ )?(?:redundancy|protection|diversity|resilien\w+)|(?:redundancy|` +
    String.raw`resilien\w+|diversity|protection) loss|(?:reduc\w+|lost|lose|less|without|` +
    String.raw`decreas\w+) (?:\w+ ){0,2}(?:redundancy|protection|diversity|resilien\w+)|(?:redundancy|` +
    String.raw`protection|diversity|resilien\w+) (?:will |may |is |be )*(?:lost|reduced|impaired|` +
    String.raw`degraded))`,
  "i",
);
const DEGRADED =
  /\b(?:d[ée]grad\w+|degrada\w+|packet loss|reduced (?:capacity|bandwidth|throughput|performance))\b/i;
const SHAKY = wordsIn(
  String.raw`\b`,
  [
    String.raw`switch(?:ing)?[- ]?hits?|flap\w*|intermittent\w*|micro-?\w*|latency|bounces?`,
    String.raw`protection switch\w*|blips?|glitch\w*`,
  ],
  String.raw`\b`,
  "i",
);
const OUTAGE = wordsIn(
  String.raw`\b`,
  [
    String.raw`disconnect(?:ed|ions?)|(?:ports?|links?|circuits?) (?:\w+ )?(?:down|offline)`,
    "corte de servicio|ausfall|unterbrechung|indisponibilidade|indisponibilit[ée]|coupure",
    "interrupci[oó]n|interrup[çc][ãa]o",
    String.raw`outages?|hard down|downtime|(?:be|go|going|are|is) (?:\w+ )?(?:down|offline)`,
    "loss of (?:service|connectivity|traffic|signal|light)",
    "(?:service|traffic|connectivity|network)? ?interruptions?|interrupted|disruptions?",
    String.raw`disrupted|unavailab\w+|service[- ]loss|loss in service|cease to function`,
    "lose (?:service|connectivity)",
  ],
  String.raw`\b`,
  "i",
);
const OUTAGE_ALONE = wordsIn(
  "^",
  [
    "down|hard down|outage|total loss|full outage|offline|service down|loss of service",
    "service affecting outage",
  ],
  String.raw`\b`,
  "i",
);
/** What the trade calls an outage without saying so; a softer word anywhere takes it back. */
const AFFECTING = /\b(?:service|customer|traffic)[- ](?:impacting|affecting)\b/i;
/** An answer that depends on the circuit, or an outage that is several short ones. */
export const DEPENDS = new RegExp(
  String.raw`\b(?:unprotected|protected|redundant|customers with|depending|varies|some (?:customers|` +
    String.raw`services|circuits)|partial\w*|(?:short|brief|momentary|several|multiple|` +
    String.raw`few) (?:\w+ )?(?:interruption|outage|disruption|impact|hit)s?)\b`,
  "i",
);
/** An outage of something, not of our circuits. */
const PARTLY = /\b(?:only|except|excluding|portal|management|monitoring|polling|voice|billing|voicemail)\b/i;
/** Short, possible or denied in another language: the outage words beside it say less than they seem to. */
const SOFTENED = wordsIn(
  String.raw`\b`,
  [
    String.raw`kurz\w*|breves?|bref|br[èe]ve|riesgo|risco|risque|risiko|m[öo]glich\w*|posibles?`,
    String.raw`poss[ií]ve(?:l|is)|possibles?|[ée]ventuel\w*|kein\w*|ohne|sin|sem|sans|aucune?|nicht`,
    String.raw`n[aã]o|pas|ning[uú]n\w*|nenhum\w*`,
  ],
  String.raw`\b`,
  "i",
);
/** Hits of milliseconds while traffic moves to its other path: what is left for the time is one path. */
const SWITCHED = new RegExp(
  String.raw`^\W*(?:\(?\d+\)?|an?|one|single|multiple|several)?\s*(?:protection )?switch(?:ing)? ?hits?` +
    String.raw`(?:\(s\))?(?: \(?(?:of )?(?:<|up to |~)?\s?\d+ ?m(?:illi)?s(?:ec\w*)?\)?)?\W*$`,
  "i",
);
const UNLIKELY = wordsIn(
  String.raw`\b`,
  [
    String.raw`(?:no|not|never|without) (?:\w+ ){0,3}(?:down|offline|disconnect\w*)|\d+ ?ms|milliseconds?`,
    "unlikely|improbable|rare(?:ly)?|worst case|not (?:expected|planned|likely)",
  ],
  String.raw`\b`,
  "i",
);
const SOME =
  /\b(?:(?:service|customer|traffic)[- ](?:impact\w*|affecting)|impact(?:s|ed|ing)?|affect(?:s|ed|ing)?)\b/i;
const RISK = /\b(?:at[- ]risk|risk|hazard|potential(?:ly)?)\b/i;

/** "Planned outage notification" names the mail, "outage window" a time: neither says how hard it hits. */
const EVENT = new RegExp(
  String.raw`\bunplanned outages?\b|\b(?:planned |scheduled |emergency )?outages? (?:notification|` +
    String.raw`notice|id|window|start|end|date|time|number|reference|management|schedule|team|portal)\b`,
  "gi",
);

/** The degree that a phrase names; several at once are unclear. */
export function degreeOf(phrase: string): Degree {
  if (SWITCHED.test(phrase)) return "REDUCED-REDUNDANCY";
  const text = phrase.replaceAll(EVENT, " ");
  const rest = text.replaceAll(NONE, " ~ ");
  const none = rest !== text || /^(?:none|nil|no|n\/a none|no\.)$/i.test(text.trim());
  const degrees: Degree[] = [];
  if (REDUNDANCY.test(rest)) degrees.push("REDUCED-REDUNDANCY");
  const plain = rest.replace(REDUNDANCY, " ");
  if (DEGRADED.test(plain)) degrees.push("DEGRADED");
  const shaky = DEGRADED.test(plain) ? plain.replaceAll(/\blatency\b/gi, " ") : plain;
  if (SHAKY.test(shaky) || SOFTENED.test(plain) || DEPENDS.test(plain) || UNLIKELY.test(plain))
    degrees.push("UNCLEAR");
  if (PARTLY.test(plain) && OUTAGE.test(plain)) degrees.push("UNCLEAR");
  if (OUTAGE.test(plain) || OUTAGE_ALONE.test(plain.trim())) degrees.push("OUTAGE");
  if (none) degrees.push("NO-IMPACT");
  if (degrees.length === 1) {
    const only = degrees[0];
    // "no outage expected, but at risk" promises less than no impact.
    return only === "NO-IMPACT" && (RISK.test(rest) || /\bbut\b|\bhowever\b/i.test(rest)) ? "UNCLEAR" : only;
  }
  if (degrees.length > 1) return "UNCLEAR";
  if (RISK.test(rest)) return "RISK";
  if (AFFECTING.test(rest) && !/\b(?:may|might|could|potential\w*|possibl\w*|not|any)\b/i.test(rest))
    return "AFFECTING";
  return SOME.test(rest) ? "SOME" : undefined;
}

export const isImpact = (degree: Degree): degree is Impact => degree !== undefined && !VAGUE.has(degree);
const VAGUE: ReadonlySet<string> = new Set(["SOME", "AFFECTING", "LASTING", "RISK", "UNCLEAR"]);
