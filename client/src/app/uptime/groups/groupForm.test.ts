import { describe, expect, it } from "vitest";
import type { Group } from "@/api/types";
import { groupField, groupSchema, sayCounts, sayRule, toGroup, toGroupValues } from "./groupForm";

const group = (part: Partial<Group>) => ({ id: 1, name: "shop", description: "", monitor_ids: [7, 8], labels: [], rule: { type: "any", count: null, percent: null }, alert_level: "group", ...part }) as unknown as Group;
const errors = (values: object) => {
  const got = groupSchema.safeParse({ ...toGroupValues(group({})), ...values });
  return got.success ? [] : got.error.issues.map((i) => i.path[0]);
};

describe("groupSchema", () => {
  it("takes every rule", () => {
    for (const rule of ["any", "all", "count", "percent"]) expect(errors({ rule })).toEqual([]);
  });
  it("names what is missing or wrong, where it is shown", () => {
    expect(errors({ name: " ", monitor_ids: [] })).toEqual(["name", "monitor_ids"]);
    expect(errors({ monitor_ids: [], labels: "team=db" })).toEqual([]);
    expect(errors({ rule: "count", count: "3" })).toEqual(["count"]);
    expect(errors({ rule: "count", count: "3", labels: "team=db" })).toEqual([]);
    expect(errors({ rule: "count", count: "0" })).toEqual(["count"]);
    expect(errors({ rule: "percent", percent: "50.5" })).toEqual(["percent"]);
    expect(errors({ rule: "percent", percent: "101" })).toEqual(["percent"]);
  });
});

describe("toGroup", () => {
  it("gives a group back as it was", () => {
    expect(toGroup(toGroupValues(group({ labels: ["team=db", "env"] })))).toEqual({ name: "shop", description: null, monitor_ids: [7, 8], labels: ["team=db", "env"], rule: { type: "any" }, alert_level: "group" });
    expect(toGroup(toGroupValues(group({ rule: { type: "percent", count: null, percent: 40 } as Group["rule"] }))).rule).toEqual({ type: "percent", percent: 40 });
    expect(toGroup({ ...toGroupValues(), name: "x", rule: "count", count: "2" })).toMatchObject({ rule: { type: "count", count: 2 }, alert_level: "both" });
  });
});

describe("groupField", () => {
  it("finds the field that is shown", () => {
    expect(groupField("any", "monitor_ids[3]")).toBe("monitor_ids");
    expect(groupField("count", "rule.count")).toBe("count");
    expect(groupField("any", "rule.count")).toBe("rule");
    expect(groupField("any", "elsewhere")).toBeUndefined();
  });
});

describe("what is said", () => {
  it("says the rule", () => expect([group({}), group({ rule: { type: "count", count: 2 } as Group["rule"] })].map((g) => sayRule(g.rule))).toEqual(["Down when any is", "Down when 2 are"]));
  it("says who has no say", () => {
    const counts = { total: 5, up: 1, degraded: 0, down: 1, unknown: 1, paused: 0, maintenance: 2 };
    expect(sayCounts({ counts })).toBe("1 of 2 down; not counted: 1 unknown, 2 in maintenance");
    expect(sayCounts({ counts: { ...counts, total: 0 } })).toBe("No members");
  });
});
