// The conditions of alert rules, as words.
import type { Alert } from "@/api/types";
import { writeLength } from "@/format/length";

export type Conditions = NonNullable<Alert["conditions"]>;
export type ConditionName = keyof Conditions;
/** Conditions of one number each. */
export type NumberName = Exclude<ConditionName, "response_time_percentile">;

interface Words { ask: string; usual: string; unit: string; least: number; most: number; fraction?: boolean; length?: boolean; say(value: number): string }

export const conditionWords: Record<NumberName, Words> = {
  consecutive_failures: { ask: "Checks fail in a row", usual: "3", unit: "checks", least: 1, most: 100, say: (v) => (v === 1 ? "one failing check" : `${v} failing checks in a row`) },
  response_time_threshold_ms: { ask: "One answer is slow", usual: "1000", unit: "slower than … ms", least: 1, most: 300_000, say: (v) => `an answer slower than ${v} ms` },
  uptime_percentage_threshold: { ask: "Uptime of 24 hours is low", usual: "99", unit: "below … %", least: 0, most: 100, fraction: true, say: (v) => `uptime of 24 hours below ${v} %` },
  certificate_days_left: { ask: "The certificate ends soon", usual: "14", unit: "in less than … days", least: 1, most: 3650, say: (v) => `certificate ends in less than ${v} days` },
  no_data_seconds: { ask: "Nothing is known", usual: "10 min", unit: "for, such as 10 min", least: 1, most: 2_592_000, length: true, say: (v) => `nothing known for ${writeLength(v)}` },
  degraded_regions: { ask: "Some regions see it down, but not all", usual: "1", unit: "regions, at least", least: 1, most: 100, say: (v) => `down in at least ${v} ${v === 1 ? "region" : "regions"}, but not as a whole` },
};

export const numberNames = Object.keys(conditionWords) as NumberName[];

/** Writes the ordinal of a percentile: 95th, 99.9th. */
export function ordinal(n: number): string {
  const last = Number.isInteger(n) ? n % 10 : 0;
  const teen = n % 100 >= 11 && n % 100 <= 13;
  return `${n}${!teen && last === 1 ? "st" : !teen && last === 2 ? "nd" : !teen && last === 3 ? "rd" : "th"}`;
}

/** Says when a rule triggers. */
export function sayConditions(conditions: Partial<Conditions> | null | undefined): string {
  const words = numberNames.flatMap((name) => {
    const value = conditions?.[name];
    return value === null || value === undefined ? [] : [conditionWords[name].say(value)];
  });
  const p = conditions?.response_time_percentile;
  if (p) words.push(`${ordinal(p.percentile)} percentile of ${writeLength(p.window_seconds)} above ${p.threshold_ms} ms`);
  return words.join(", or ");
}
