import type { Usage } from "../models/index.ts";
import type { Metered } from "./meter.ts";

/** Counts what passes, since this replica began; in the text form that Prometheus reads. */
export type Metrics = {
  heard(metered: Metered): void;
  /** What became of a call that asked for an answer given before. */
  readonly kept: (told: KeptTold) => void;
  /** @param now what is so at this moment, by the metric's name */
  text(now: Readonly<Record<string, number>>): string;
};

/** A kept answer was given, one under way was waited for, or a provider was asked. */
export type KeptTold = "hit" | "joined" | "miss";

/** Upper bounds in seconds: from an embedding to a model that thinks for an hour. */
const BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800] as const;
const KINDS = ["input", "cachedInput", "cacheWrite", "output", "reasoning"] as const;

type Histogram = { readonly counts: number[]; sum: number; count: number };
type Series = {
  readonly labels: string;
  readonly surface: string;
  readonly label: string;
  attempts: number;
  readonly duration: Histogram;
  readonly firstByte: Histogram;
  readonly tokens: Record<keyof Usage, number>;
  microUsd: number;
};

/** Begins to count. */
export function makeMetrics(): Metrics {
  /** By model; the texts of surfaces and labels are few and always the same. */
  const series = new Map<string, Series[]>();
  const kept: Record<KeptTold, number> = { hit: 0, joined: 0, miss: 0 };
  return {
    kept(told) {
      kept[told] += 1;
    },
    heard(metered) {
      const found = seriesOf(series, metered);
      found.attempts += 1;
      observe(found.duration, metered.totalMs);
      if (metered.firstByteMs !== null) observe(found.firstByte, metered.firstByteMs);
      for (const kind of KINDS) found.tokens[kind] += Number(metered.usage[kind]);
      found.microUsd += Number(metered.amount ?? 0n);
    },
    text(now) {
      const all = [...series.values()].flat();
      const gauges = Object.entries(now).flatMap(([name, value]) => [
        `# TYPE ${name} gauge`,
        `${name} ${value}`,
      ]);
      return [
        ...gauges,
        "# TYPE factotum_gateway_cache_total counter",
        ...Object.entries(kept).map(([told, n]) => `factotum_gateway_cache_total{told="${told}"} ${n}`),
        "# TYPE factotum_gateway_attempts_total counter",
        ...all.map(({ labels, attempts }) => `factotum_gateway_attempts_total{${labels}} ${attempts}`),
        "# TYPE factotum_gateway_cost_micro_usd_total counter",
        ...all.map(({ labels, microUsd }) => `factotum_gateway_cost_micro_usd_total{${labels}} ${microUsd}`),
        "# TYPE factotum_gateway_tokens_total counter",
        ...all.flatMap(({ labels, tokens }) =>
          KINDS.map((kind) => `factotum_gateway_tokens_total{${labels},kind="${kind}"} ${tokens[kind]}`),
        ),
        "# TYPE factotum_gateway_duration_seconds histogram",
        ...all.flatMap((one) => lines("factotum_gateway_duration_seconds", one.labels, one.duration)),
        "# TYPE factotum_gateway_first_byte_seconds histogram",
        ...all.flatMap((one) => lines("factotum_gateway_first_byte_seconds", one.labels, one.firstByte)),
        "",
      ].join("\n");
    },
  };
}

function seriesOf(all: Map<string, Series[]>, metered: Metered): Series {
  const { surface, model, label } = metered;
  const ofModel = all.get(model);
  if (ofModel !== undefined) {
    for (const one of ofModel) if (one.surface === surface && one.label === label) return one;
  }
  const made = begun(metered);
  if (ofModel === undefined) all.set(model, [made]);
  else ofModel.push(made);
  return made;
}

function begun({ surface, model, label }: Metered): Series {
  const tokens = { input: 0, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 };
  const labels = `surface="${surface}",model="${escaped(model)}",label="${label}"`;
  const counts = { attempts: 0, duration: empty(), firstByte: empty(), tokens, microUsd: 0 };
  return { labels, surface, label, ...counts };
}

function empty(): Histogram {
  return { counts: BOUNDS.map(() => 0), sum: 0, count: 0 };
}

function observe(histogram: Histogram, milliseconds: number): void {
  const seconds = milliseconds / 1000;
  histogram.sum += seconds;
  histogram.count += 1;
  for (let at = 0; at < BOUNDS.length; at += 1) {
    if (seconds > (BOUNDS[at] ?? 0)) continue;
    histogram.counts[at] = (histogram.counts[at] ?? 0) + 1;
    return;
  }
}

function lines(name: string, labels: string, { counts, sum, count }: Histogram): readonly string[] {
  let below = 0;
  const buckets = BOUNDS.map((bound, at) => {
    below += counts[at] ?? 0;
    return `${name}_bucket{${labels},le="${bound}"} ${below}`;
  });
  return [
    ...buckets,
    `${name}_bucket{${labels},le="+Inf"} ${count}`,
    `${name}_sum{${labels}} ${sum}`,
    `${name}_count{${labels}} ${count}`,
  ];
}

/** Label values as the format wants them. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
