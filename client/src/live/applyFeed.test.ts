import { describe, expect, it } from "vitest";
import type { CurrentStatus, Monitor } from "@/api/types";
import { applyMaintenance, applyToList, applyToMonitor, type FeedEntry, statusOf } from "./applyFeed";

const monitor = (id: number, current_status: CurrentStatus | null, more: Partial<Monitor> = {}) =>
  ({ id, enabled: true, status: current_status && { monitor_id: id, current_status, last_checked_at: "2026-01-01T00:00:10Z", last_error: null }, ...more }) as Monitor;

const went = (id: number, to: CurrentStatus): FeedEntry => ({
  seq: 1, monitor_id: id, at: "2026-01-01T00:01:00Z",
  transition: { from: "up", to, since: "2026-01-01T00:00:50Z", error_type: to === "down" ? "connection_refused" : null, error_message: to === "down" ? "refused" : null },
});

const saw = (id: number, at: string, current_status: CurrentStatus): FeedEntry => ({
  seq: 2, monitor_id: id, at, observation: { region: "local", status: "success", response_time_us: 1000, current_status, next_scheduled_at: "2026-01-01T00:02:00Z" },
});

describe("applyToMonitor", () => {
  it("says since when and why it is down, and forgets it when it is up", () => {
    const down = applyToMonitor(monitor(1, "up"), [went(1, "down")]);
    expect(down.status).toMatchObject({ current_status: "down", since: "2026-01-01T00:00:50Z", last_error: "refused", last_error_type: "connection_refused" });
    expect(applyToMonitor(down, [went(1, "up")]).status).toMatchObject({ current_status: "up", last_error: null, last_error_type: null });
  });

  it("does not lose maintenance to what the checks see", () => {
    const m = monitor(1, "maintenance");
    expect(statusOf(applyToMonitor(m, [went(1, "down"), saw(1, "2026-01-01T00:01:01Z", "down")]))).toBe("maintenance");
    expect(statusOf(applyToMonitor(m, [went(1, "paused")]))).toBe("paused");
  });

  it("does not turn the clock back", () => {
    const m = applyToMonitor(monitor(1, "up"), [saw(1, "2026-01-01T00:00:05Z", "up")]);
    expect(m.status?.last_checked_at).toBe("2026-01-01T00:00:10Z");
  });

  it("begins with nothing known", () => {
    expect(statusOf(monitor(1, null))).toBe("unknown");
    expect(statusOf(monitor(1, null, { enabled: false }))).toBe("paused");
    expect(statusOf(applyToMonitor(monitor(1, null), [saw(1, "2026-01-01T00:00:05Z", "up")]))).toBe("up");
  });
});

describe("applyToList", () => {
  it("touches only what was told of, and names strangers", () => {
    const all = [monitor(1, "up"), monitor(2, "up")];
    const got = applyToList(all, [went(2, "down"), went(9, "down")]);
    expect(got.all[0]).toBe(all[0]);
    expect(statusOf(got.all[1]!)).toBe("down");
    expect(got.strangers).toEqual([9]);
  });
});

describe("applyMaintenance", () => {
  it("brings monitors into windows and names those that left", () => {
    const got = applyMaintenance([monitor(1, "up"), monitor(2, "maintenance"), monitor(3, "up")], [monitor(1, "maintenance")]);
    expect(statusOf(got.all[0]!)).toBe("maintenance");
    expect(got.left).toEqual([2]);
  });

  it("leaves the list as it is when nothing changed", () => {
    const all = [monitor(1, "maintenance")];
    expect(applyMaintenance(all, [monitor(1, "maintenance")]).all).toBe(all);
  });
});
