import { expect, it } from "vitest";
import type { DistributionBucket } from "@/api/types";
import { phaseSeries, stack, times } from "./responseSeries";

const buckets = [
  { time_bucket: "2026-01-01T00:00:00Z", avg_dns_time: 1, avg_tcp_time: 2, avg_tls_time: null, avg_ttfb: 10, avg_transfer_time: null },
  { time_bucket: "2026-01-01T00:05:00Z", avg_dns_time: null, avg_tcp_time: null, avg_tls_time: null, avg_ttfb: null, avg_transfer_time: null },
  { time_bucket: "2026-01-01T00:10:00Z", avg_dns_time: null, avg_tcp_time: 3, avg_tls_time: null, avg_ttfb: 7, avg_transfer_time: null },
] as unknown as DistributionBucket[];

it("leaves out phases that never happened", () => expect(phaseSeries(buckets).map((s) => s.word)).toEqual(["Name", "Connect", "Wait"]));
it("stacks, with gaps where nothing is known", () => {
  expect(stack(phaseSeries(buckets))).toEqual([[1, null, 0], [3, null, 3], [13, null, 10]]);
});
it("counts in seconds", () => expect(times(buckets)[1]! - times(buckets)[0]!).toBe(300));
