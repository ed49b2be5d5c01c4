// Where the lines of a histogram stand.
import type { Stats } from "@/api/types";

export interface Mark {
  word: string;
  ms: number;
  /** Place on the axis, in classes from the left. */
  place: number;
  dash?: string;
}

const quantiles = [["p50", "half", undefined], ["p95", "95 %", "4 3"], ["p99", "99 %", "1 3"]] as const;

/** The quantiles that are known, each where its class is; within a class by their ratio, as the classes are. */
export function marksOf(stats: Pick<Stats, "histogram" | "response_time">): Mark[] {
  const { histogram: classes, response_time: known } = stats;
  return quantiles.flatMap(([name, word, dash]) => {
    const ms = known?.[name];
    if (ms === null || ms === undefined) return [];
    const i = classes.findIndex((c) => ms < c.to_ms);
    if (i < 0) return [{ word, ms, place: classes.length, dash }];
    const { from_ms: from, to_ms: to } = classes[i]!;
    const within = ms <= from ? 0 : from > 0 ? Math.log(ms / from) / Math.log(to / from) : ms / to;
    return [{ word, ms, place: i + within, dash }];
  });
}

/** What part of all a count is. A few of many are not none. */
export function classShare(count: number, total: number): string {
  if (total === 0 || count === 0) return "0 %";
  const percent = (count / total) * 100;
  return percent < 0.1 ? "< 0.1 %" : `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
}
