import { describe, expect, it } from "vitest";
import type { Alert } from "@/api/types";
import { alertField, alertSchema, readyConditions, toAlert, toAlertValues } from "./alertForm";
import { ordinal, sayConditions } from "./conditions";

const none = { consecutive_failures: null, response_time_threshold_ms: null, uptime_percentage_threshold: null, certificate_days_left: null, degraded_regions: null, no_data_seconds: null, response_time_percentile: null };
const rule = (conditions: object) => ({ id: 1, alert_type: "webhook", alert_config: { url: "https://a", has_secret: true, headers: {} }, severity: "low", conditions: { ...none, ...conditions } }) as unknown as Alert;
const errors = (values: object) => {
  const got = alertSchema.safeParse({ ...toAlertValues(), ...values });
  return got.success ? [] : got.error.issues.map((i) => i.path.join("."));
};
const all = ["consecutive_failures", "response_time_threshold_ms", "uptime_percentage_threshold", "certificate_days_left", "no_data_seconds", "degraded_regions", "response_time_percentile"];

describe("alertSchema", () => {
  it("takes what is usual of every condition", () => expect(errors({ on: all })).toEqual([]));
  it("wants at least one", () => expect(errors({ on: [] })).toEqual(["on"]));
  it("names what is out of bounds, of those that are chosen", () => {
    const values = { consecutive_failures: "0", uptime_percentage_threshold: "0", no_data_seconds: "600", certificate_days_left: "x" };
    expect(errors({ on: ["consecutive_failures", "uptime_percentage_threshold", "no_data_seconds"], values })).toEqual(["values.consecutive_failures", "values.uptime_percentage_threshold", "values.no_data_seconds"]);
    expect(errors({ on: ["response_time_percentile"], percentile: "99.95", percentile_ms: "1.5", percentile_window: "30 s" })).toEqual(["percentile", "percentile_ms", "percentile_window"]);
  });
});

it("gives a rule back as it was, without its secrets", () => {
  const base = rule({ no_data_seconds: 5400, uptime_percentage_threshold: 99.95, response_time_percentile: { percentile: 99.9, threshold_ms: 800, window_seconds: 900 } });
  expect(toAlert(toAlertValues(base), base)).toEqual({
    severity: "low", alert_config: { url: "https://a" },
    conditions: { no_data_seconds: 5400, uptime_percentage_threshold: 99.95, response_time_percentile: { percentile: 99.9, threshold_ms: 800, window_seconds: 900 } },
  });
});
it("has no conditions while one is wrong", () => {
  expect(readyConditions(toAlertValues())).toEqual({ consecutive_failures: 3 });
  expect(readyConditions({ ...toAlertValues(), values: { consecutive_failures: "" } })).toBeUndefined();
});

it("finds the field that the server means", () => {
  expect(alertField("webhook", "conditions.consecutive_failures")).toBe("values.consecutive_failures");
  expect(alertField("webhook", "conditions.response_time_percentile.window_seconds")).toBe("percentile_window");
  expect(alertField("webhook", "conditions")).toBe("on");
  expect(alertField("slack", "alert_config.url")).toBe("config.url");
  expect(alertField("slack", "alert_config.odd")).toBeUndefined();
});

it("says when a rule triggers", () => {
  expect(sayConditions(rule({ consecutive_failures: 3, response_time_percentile: { percentile: 95, threshold_ms: 800, window_seconds: 900 } }).conditions)).toBe("3 failing checks in a row, or 95th percentile of 15 min above 800 ms");
  expect([50, 51, 52, 53, 61, 95, 99.9].map(ordinal)).toEqual(["50th", "51st", "52nd", "53rd", "61st", "95th", "99.9th"]);
});
