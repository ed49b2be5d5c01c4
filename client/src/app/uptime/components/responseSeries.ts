// What the chart of response times draws.
import type { DistributionBucket } from "@/api/types";

export interface Series { word: string; token: string; values: (number | null)[] }

const phases: [keyof DistributionBucket, string, string][] = [
  ["avg_dns_time", "Name", "--phase-dns"], ["avg_tcp_time", "Connect", "--phase-tcp"], ["avg_tls_time", "TLS", "--phase-tls"],
  ["avg_ttfb", "Wait", "--phase-wait"], ["avg_transfer_time", "Transfer", "--phase-load"],
];

/** Seconds since 1970 of every bucket. */
export function times(buckets: readonly DistributionBucket[]): number[] {
  return buckets.map((b) => Date.parse(b.time_bucket ?? "") / 1000);
}

/** Mean time of each phase that happened at all, in milliseconds; null where there is none. */
export function phaseSeries(buckets: readonly DistributionBucket[]): Series[] {
  return phases
    .map(([field, word, token]) => ({ word, token, values: buckets.map((b) => (b[field] as number | null | undefined) ?? null) }))
    .filter((s) => s.values.some((v) => v !== null));
}

/** Lays series on each other: each value is the sum of its own and all below. Where nothing is known, nothing is drawn. */
export function stack(series: readonly Series[]): (number | null)[][] {
  const below: number[] = [];
  return series.map((s) => s.values.map((v, i) => {
    if (v === null && series.every((other) => other.values[i] === null)) return null;
    below[i] = (below[i] ?? 0) + (v ?? 0);
    return below[i]!;
  }));
}
