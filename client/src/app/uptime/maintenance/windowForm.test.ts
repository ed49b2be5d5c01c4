import { describe, expect, it } from "vitest";
import type { MaintenanceWindow } from "@/api/types";
import { zone as readersZone } from "@/format/zone";
import { toSchedule, toWindow, toWindowValues, windowField, windowSchema } from "./windowForm";

const now = Date.parse("2026-11-01T10:00:30.250Z");
const window = (part: Partial<MaintenanceWindow>) => ({ id: 1, name: "w", description: null, monitor_ids: [7], labels: [], starts_at: "2026-11-02T01:30:15.500Z", ends_at: null, rrule: null, cron: null, timezone: null, duration_seconds: null, ...part }) as MaintenanceWindow;
const errors = (values: object) => {
  const got = windowSchema.safeParse({ ...toWindowValues(now, window({})), ...values });
  return got.success ? [] : got.error.issues.map((i) => i.path[0]);
};

describe("windowSchema", () => {
  it("takes what is usual of every kind", () => {
    for (const kind of ["once", "FREQ=DAILY", "rrule", "cron"]) expect(errors({ kind })).toEqual([]);
  });
  it("names what is missing or wrong, where it is shown", () => {
    expect(errors({ monitor_ids: [], from: "", to: "" })).toEqual(["monitor_ids", "from", "to"]);
    expect(errors({ to: "2026-01-01T00:00" })).toEqual(["to"]);
    expect(errors({ kind: "cron", cron: "", length: "30 s", zone: "Berlin" })).toEqual(["length", "cron", "zone"]);
    expect(errors({ kind: "rrule", rrule: " ", length: "8 d" })).toEqual(["length", "rrule"]);
  });
});

describe("toWindow", () => {
  it("gives a window back as it was, to the millisecond", () => {
    const once = window({ ends_at: "2026-11-02T03:30:15.500Z" });
    expect(toWindow(toWindowValues(now, once), now, once)).toEqual({ name: "w", description: null, monitor_ids: [7], labels: [], ends_at: "2026-11-02T03:30:15.500Z", rrule: null, cron: null, timezone: null, duration_seconds: null });
    const again = window({ rrule: "FREQ=WEEKLY;BYDAY=MO", timezone: "America/New_York", duration_seconds: 5400 });
    expect(toWindow(toWindowValues(now, again), now, again)).toEqual({ name: "w", description: null, monitor_ids: [7], labels: [], ends_at: null, rrule: "FREQ=WEEKLY;BYDAY=MO", cron: null, timezone: "America/New_York", duration_seconds: 5400 });
  });
  it("reads the start on the clock of the zone", () => {
    const v = { ...toWindowValues(now), monitor_ids: [7], kind: "cron" as const, from: "2026-12-24T10:00", zone: "America/New_York" };
    expect(toWindow(v, now)).toEqual({ name: "Maintenance", description: null, monitor_ids: [7], labels: [], starts_at: "2026-12-24T15:00:00.000Z", cron: "30 2 * * SUN", timezone: "America/New_York", duration_seconds: 3600 });
  });
  it("leaves it to the server what now is", () => expect(toWindow({ ...toWindowValues(now), monitor_ids: [7] }, now)).not.toHaveProperty("starts_at"));
  it("takes away what another kind had", () => {
    const base = window({ cron: "30 2 * * *", timezone: "UTC", duration_seconds: 600 });
    expect(toWindow({ ...toWindowValues(now, base), kind: "FREQ=DAILY" }, now, base)).toMatchObject({ cron: null, rrule: "FREQ=DAILY", ends_at: null, duration_seconds: 600 });
  });
});

it("has a schedule for what comes again, as soon as it can be read", () => {
  const v = { ...toWindowValues(now), kind: "cron" as const };
  expect(toSchedule(v, now)).toEqual({ cron: "30 2 * * SUN", zone: readersZone(), start: now, length: 3_600_000 });
  expect(toSchedule({ ...v, length: "5" }, now)).toBeUndefined();
  expect(toSchedule({ ...v, zone: "x" }, now)).toBeUndefined();
  expect(toSchedule({ ...v, kind: "once" }, now)).toBeUndefined();
});

it("finds the field that the server means, if it is shown", () => {
  expect(windowField("cron", "cron")).toBe("cron");
  expect(windowField("once", "timezone")).toBeUndefined();
  expect(windowField("FREQ=DAILY", "rrule")).toBe("kind");
  expect(windowField("rrule", "monitor_ids[0]")).toBe("monitor_ids");
  expect(windowField("once", "ends_at")).toBe("to");
});
