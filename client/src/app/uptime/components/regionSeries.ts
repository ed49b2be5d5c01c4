// What the chart of response times by region draws.
import type { Stats } from "@/api/types";

export type Measure = "avg_response_time" | "p95_response_time";

export interface RegionSeries {
  region: string;
  token: string;
  dash?: number[];
  values: (number | null)[];
}

const tokens = ["--phase-wait", "--phase-tcp", "--phase-dns", "--phase-tls", "--phase-load", "--ink-2"];
// After the last colour they come again with another stroke.
const dashes = [undefined, [6, 4], [2, 3], [10, 4, 2, 4]];

/** Seconds since 1970 of every moment of which a region has something, rising, and the regions' values there. */
export function regionSeries(regions: readonly string[], stats: readonly (Stats | undefined)[], measure: Measure): { times: number[]; series: RegionSeries[] } {
  const at = new Map<number, (number | null)[]>();
  stats.forEach((s, i) => {
    for (const bucket of s?.distribution ?? []) {
      const time = Date.parse(bucket.time_bucket ?? "") / 1000;
      if (Number.isNaN(time)) continue;
      let row = at.get(time);
      if (!row) at.set(time, (row = regions.map(() => null)));
      row[i] = bucket[measure] ?? null;
    }
  });
  const times = [...at.keys()].sort((a, b) => a - b);
  const series = regions.map((region, i) => ({ region, token: tokens[i % tokens.length]!, dash: dashes[Math.floor(i / tokens.length) % dashes.length], values: times.map((t) => at.get(t)![i]!) }));
  return { times, series };
}
