import { expect, test } from "vitest";
import { regionSeries } from "./regionSeries";

const stats = (rows: [string, number | null][]) => ({ distribution: rows.map(([time_bucket, avg_response_time]) => ({ time_bucket, avg_response_time })) }) as never;

test("regions share one axis of time, and what one does not know is nothing", () => {
  const { times, series } = regionSeries(["eu", "us"], [stats([["2026-01-01T00:01:00Z", 5], ["2026-01-01T00:00:00Z", 4]]), stats([["2026-01-01T00:01:00Z", null], ["2026-01-01T00:02:00Z", 7]])], "avg_response_time");
  expect(times.map((t) => t - Date.parse("2026-01-01T00:00:00Z") / 1000)).toEqual([0, 60, 120]);
  expect(series.map((s) => s.values)).toEqual([[4, 5, null], [null, null, 7]]);
});

test("a region that is still on its way has no values, and each differs from the others", () => {
  const names = Array.from({ length: 20 }, (_, i) => `r${i}`);
  const { series } = regionSeries(names, [undefined, stats([["2026-01-01T00:00:00Z", 1]])], "avg_response_time");
  expect(series[0]!.values).toEqual([null]);
  expect(new Set(series.map((s) => s.token + String(s.dash))).size).toBe(20);
});
