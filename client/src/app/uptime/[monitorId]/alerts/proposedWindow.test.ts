import { describe, expect, it } from "vitest";
import { fieldsOf, proposedField, toProposed, usualWindow, windowKinds, wrongOf } from "./proposedWindow";

const now = Date.parse("2026-11-20T12:00:00Z");
const usual = usualWindow(now, 30, "Europe/Berlin");

describe("a proposed window", () => {
  it("is none at first, and right as soon as one is chosen", () => {
    expect(toProposed(usual, "Europe/Berlin")).toBeNull();
    for (const [kind] of windowKinds) expect(wrongOf({ ...usual, kind })).toEqual({});
  });
  it("begins last night, and what comes again at the first night of the range", () => {
    expect(usualWindow(now, 30, "Europe/Berlin", "once").from).toBe("2026-11-19T02:00");
    expect(usualWindow(now, 30, "Europe/Berlin", "FREQ=DAILY").from).toBe("2026-10-21T02:00");
  });
  it("once is said on the reader's clock, by its two ends", () => {
    expect(toProposed({ ...usual, kind: "once", from: "2026-11-01T02:00", to: "2026-11-01T03:30" }, "Europe/Berlin")).toEqual({ starts_at: "2026-11-01T01:00:00.000Z", ends_at: "2026-11-01T02:30:00.000Z" });
  });
  it("again is said on the clock of its zone, by one rule and a length", () => {
    const v = { ...usual, zone: "America/New_York", from: "2026-11-02T02:00", length: "1 h 30 min" };
    expect(toProposed({ ...v, kind: "FREQ=DAILY" }, "Europe/Berlin")).toEqual({ starts_at: "2026-11-02T07:00:00.000Z", rrule: "FREQ=DAILY", duration_seconds: 5400, timezone: "America/New_York" });
    expect(toProposed({ ...v, kind: "cron", cron: " 30 2 * * SUN " }, "UTC")).toEqual({ cron: "30 2 * * SUN", duration_seconds: 5400, timezone: "America/New_York" });
  });
  it("says what is wrong at its field, and asks nothing then", () => {
    expect(wrongOf({ ...usual, kind: "once", from: "2026-11-01T02:00", to: "2026-11-01T02:00" })).toEqual({ to: "It must end after it begins" });
    expect(wrongOf({ ...usual, kind: "cron", cron: "", length: "4", zone: "Atlantis" })).toEqual({ cron: "Which times?", length: "A number and a unit: s, min, h or d", zone: "A name such as Europe/Berlin" });
    expect(toProposed({ ...usual, kind: "FREQ=WEEKLY", length: "8 d" }, "UTC")).toBeUndefined();
  });
  it("finds its fields for the server's words", () => {
    expect(proposedField("cron", "maintenance_window.cron")).toBe("cron");
    expect(proposedField("once", "maintenance_window.cron")).toBeUndefined();
    expect(proposedField("once", "quorum")).toBeUndefined();
    expect(fieldsOf("none")).toEqual([]);
  });
});
