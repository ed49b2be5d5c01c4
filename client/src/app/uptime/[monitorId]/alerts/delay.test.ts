import { describe, expect, it } from "vitest";
import type { Monitor } from "@/api/types";
import { checksWithin, paceOf, slowNeeded, worstDelays } from "./delay";

const monitor = (part: object) => ({ interval_seconds: 30, confirm_down: 2, retry_interval_seconds: 10, worst_case_alert_delay_ms: 60_000, regions: ["local"], http_config: { timeout_ms: 10_000 }, ...part }) as unknown as Monitor;
const seconds = (m: Monitor, conditions: object) => worstDelays(paceOf(m), conditions).map((d) => d.seconds);

describe("worstDelays", () => {
  it("agrees with the server about as many failures as confirm an outage", () => expect(seconds(monitor({}), { consecutive_failures: 2 })).toEqual([60]));
  it("waits for the schedule after that", () => expect(seconds(monitor({}), { consecutive_failures: 4 })).toEqual([30 + 40 + 10 + 60]));
  it("needs one check for one failure", () => expect(seconds(monitor({}), { consecutive_failures: 1 })).toEqual([40]));
  it("counts each condition", () => {
    expect(seconds(monitor({}), { response_time_threshold_ms: 500, certificate_days_left: 14, no_data_seconds: 600, uptime_percentage_threshold: 99 })).toEqual([40, 864 + 60 + 60 + 30, 40, 670]);
  });
  it("says what can never be", () => {
    expect(worstDelays(paceOf(monitor({})), { degraded_regions: 2 })[0]).toMatchObject({ seconds: null, why: "The regions can never trigger it: it is checked from one only." });
    expect(worstDelays(paceOf(monitor({})), { response_time_percentile: { percentile: 95, threshold_ms: 1, window_seconds: 120 } })[0]).toMatchObject({ seconds: null });
  });
  it("waits for as many slow answers as move the percentile", () => {
    expect(seconds(monitor({}), { response_time_percentile: { percentile: 95, threshold_ms: 800, window_seconds: 300 } })).toEqual([40]);
    expect(seconds(monitor({}), { response_time_percentile: { percentile: 50, threshold_ms: 800, window_seconds: 600 } })).toEqual([11 * 30 + 10]);
  });
});

it("finds the gap of a cron monitor in the server's worst case", () => {
  expect(paceOf(monitor({ interval_seconds: null, worst_case_alert_delay_ms: 330_000 })).gap).toBe(300);
  // An interval shorter than the retry interval.
  expect(paceOf(monitor({ interval_seconds: null, worst_case_alert_delay_ms: 30_000 })).gap).toBe(5);
});
it("counts the attempts of a TCP check", () => {
  expect(paceOf(monitor({ http_config: null, tcp_config: { timeout_ms: 2000 }, retries: { attempts: 3, delay_ms: 500 } })).slot).toBe(7);
});
it("ranks as the server does", () => {
  expect([slowNeeded(10, 95), slowNeeded(100, 95), slowNeeded(1000, 99.9), slowNeeded(10, 50)]).toEqual([1, 6, 2, 6]);
  expect(checksWithin(paceOf(monitor({ regions: ["a", "b"] })), 300)).toBe(20);
});
