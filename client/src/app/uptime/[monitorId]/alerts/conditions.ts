// The conditions of alert rules, as words.
import type { Alert } from "@/api/types";

// Conditions of one number each, which the form can make. The one about a percentile has several, and is made over the REST
// interface.
export type ConditionName = Exclude<keyof NonNullable<Alert["conditions"]>, "response_time_percentile">;

export const conditionWords: Record<ConditionName, { ask: string; usual: string; say(value: number): string }> = {
  consecutive_failures: { ask: "Failing checks in a row", usual: "3", say: (v) => `${v} failing checks in a row` },
  response_time_threshold_ms: { ask: "A success slower than … ms", usual: "1000", say: (v) => `slower than ${v} ms` },
  uptime_percentage_threshold: { ask: "Uptime of 24 hours below … %", usual: "99", say: (v) => `uptime of 24 hours below ${v} %` },
  certificate_days_left: { ask: "The certificate ends in less than … days", usual: "14", say: (v) => `certificate ends in less than ${v} days` },
  no_data_seconds: { ask: "Nothing known for … seconds", usual: "600", say: (v) => `nothing known for ${v} s` },
  degraded_regions: { ask: "Down in at least … regions", usual: "2", say: (v) => `down in at least ${v} regions` },
};

/** Says when a rule triggers. */
export function sayConditions(conditions: Alert["conditions"]): string {
  return Object.entries(conditions ?? {}).flatMap(([name, value]) => {
    if (value === null || value === undefined) return [];
    return [typeof value === "number" ? (conditionWords[name as ConditionName]?.say(value) ?? `${name} ${value}`) : `${name.replaceAll("_", " ")} ${JSON.stringify(value)}`];
  }).join(", or ");
}
