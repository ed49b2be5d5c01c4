// What the form of a group holds, and how it becomes a group and back; and what is said of one.
import { z } from "zod";
import type { Draft, Group } from "@/api/types";

// The quick way that zod checks objects needs eval, which the content policy forbids; asking for it would be reported.
z.config({ jitless: true });

export const rules = [["any", "Any member is down"], ["all", "All members are down"], ["count", "So many members are down"], ["percent", "So many percent are down"]] as const;
export const levels = [["both", "The group, and each member"], ["group", "The group only"], ["members", "The members only"]] as const;

const whole = /^\d+$/;

export const groupSchema = z
  .object({
    name: z.string().trim().min(1, "A name").max(200, "At most 200 characters"),
    description: z.string().trim().max(2000, "At most 2000 characters"),
    monitor_ids: z.array(z.number()).max(500, "At most 500; others by labels"),
    labels: z.string(),
    rule: z.enum(rules.map(([value]) => value)),
    count: z.string().trim(),
    percent: z.string().trim(),
    level: z.enum(levels.map(([value]) => value)),
  })
  .superRefine((v, ctx) => {
    const issue = (path: string, message: string) => ctx.addIssue({ code: "custom", path: [path], message });
    const labels = labelsOf(v);
    if (v.monitor_ids.length === 0 && labels.length === 0) issue("monitor_ids", "Choose a monitor, or name a label below");
    if (v.rule === "count") {
      if (!whole.test(v.count) || Number(v.count) < 1) issue("count", "A whole number from 1");
      else if (labels.length === 0 && v.monitor_ids.length > 0 && Number(v.count) > v.monitor_ids.length) issue("count", `There are only ${v.monitor_ids.length}: it would never be down`);
    }
    if (v.rule === "percent" && (!whole.test(v.percent) || Number(v.percent) < 1 || Number(v.percent) > 100)) issue("percent", "A whole number from 1 to 100");
  });

export type GroupValues = z.infer<typeof groupSchema>;

const labelsOf = (v: Pick<GroupValues, "labels">) => v.labels.split(",").map((l) => l.trim()).filter(Boolean);

/** Fills the form from a group, or for a new one. */
export function toGroupValues(g?: Group): GroupValues {
  return {
    name: g?.name ?? "", description: g?.description ?? "", monitor_ids: [...(g?.monitor_ids ?? [])], labels: (g?.labels ?? []).join(", "),
    rule: g?.rule?.type ?? "any", count: String(g?.rule?.count ?? 2), percent: String(g?.rule?.percent ?? 50), level: g?.alert_level ?? "both",
  };
}

/** Makes the body of a creation or a change. */
export function toGroup(v: GroupValues): Draft<Group> {
  const rule: Draft<Group["rule"]> = { type: v.rule, ...(v.rule === "count" && { count: Number(v.count) }), ...(v.rule === "percent" && { percent: Number(v.percent) }) };
  return { name: v.name, description: v.description || null, monitor_ids: v.monitor_ids, labels: labelsOf(v), rule, alert_level: v.level };
}

const fields: Record<string, keyof GroupValues> = {
  name: "name", description: "description", monitor_ids: "monitor_ids", labels: "labels", "rule.count": "count", "rule.percent": "percent", rule: "rule", "rule.type": "rule", alert_level: "level",
};

/** Finds the field of the form for the field that the server names; undefined means that the form shows none. */
export function groupField(rule: GroupValues["rule"], path: string): keyof GroupValues | undefined {
  const name = fields[path.replace(/\[.*/, "")];
  return (name === "count" || name === "percent") && name !== rule ? "rule" : name;
}

/** Says when a group is down. */
export function sayRule(rule: Group["rule"]): string {
  switch (rule?.type) {
    case "all": return "Down when all are";
    case "count": return `Down when ${rule.count} are`;
    case "percent": return `Down when ${rule.percent} % are`;
    default: return "Down when any is";
  }
}

const levelWords: Record<string, string> = { both: "the group and its members are told of", group: "only the group is told of", members: "only the members are told of" };

export const sayLevel = (level: Group["alert_level"]): string => levelWords[level ?? "both"] ?? "";

/** Says how many members are what. */
export function sayCounts(g: Pick<Group, "counts">): string {
  const c = g.counts;
  if (!c || c.total === 0) return "No members";
  const counted = c.up + c.degraded + c.down;
  const without = ([[c.unknown, "unknown"], [c.paused, "paused"], [c.maintenance, "in maintenance"]] as const).filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`);
  const parts = [`${c.down} of ${counted} down`, ...(c.degraded > 0 ? [`${c.degraded} degraded`] : [])];
  return parts.join(", ") + (without.length > 0 ? `; not counted: ${without.join(", ")}` : "");
}
