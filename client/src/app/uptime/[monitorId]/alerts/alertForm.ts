// What the form of an alert rule holds, and how it becomes a rule and back.
import { z } from "zod";
import type { Alert, Draft } from "@/api/types";
import { parseLength, writeLength } from "@/format/length";
import { channelKinds, toConfig, toTyped } from "../../notifications/channelKinds";
import { type ConditionName, type Conditions, conditionWords, type NumberName, numberNames } from "./conditions";

// The quick way that zod checks objects needs eval, which the content policy forbids; asking for it would be reported.
z.config({ jitless: true });

export const severities = ["critical", "high", "medium", "low", "info"] as const;

/** What is wrong with a number or a length, in words; undefined when nothing is. */
function wrongNumber(text: string, least: number, most: number, kind: "whole" | "fraction" | "length"): string | undefined {
  const t = text.trim();
  if (kind === "length") {
    const s = parseLength(t);
    if (s === undefined) return "A number and a unit: s, min, h or d";
    return s < least || s > most ? `From ${writeLength(least)} to ${writeLength(most)}` : undefined;
  }
  if (!(kind === "whole" ? /^\d+$/ : /^\d+(\.\d+)?$/).test(t)) return kind === "whole" ? "A whole number" : "A number";
  const n = Number(t);
  return n < least || n > most || (kind === "fraction" && n === 0) ? (least === 0 ? `Above 0, at most ${most}` : `From ${least} to ${most}`) : undefined;
}

const names: ConditionName[] = [...numberNames, "response_time_percentile"];
export const percentileFields = { percentile: "percentile", threshold_ms: "percentile_ms", window_seconds: "percentile_window" } as const;

export const alertSchema = z
  .object({
    on: z.array(z.enum(names)),
    values: z.record(z.string(), z.string()),
    percentile: z.string(),
    percentile_ms: z.string(),
    percentile_window: z.string(),
    severity: z.enum(severities),
    type: z.string(),
    config: z.record(z.string(), z.string()),
  })
  .superRefine((v, ctx) => {
    const issue = (path: string[], message: string | undefined) => { if (message) ctx.addIssue({ code: "custom", path, message }); };
    if (v.on.length === 0) issue(["on"], "Choose at least one");
    for (const name of numberNames) {
      const w = conditionWords[name];
      if (v.on.includes(name)) issue(["values", name], wrongNumber(v.values[name] ?? "", w.least, w.most, w.length ? "length" : w.fraction ? "fraction" : "whole"));
    }
    if (v.on.includes("response_time_percentile")) {
      issue(["percentile"], wrongNumber(v.percentile, 50, 99.9, "fraction"));
      issue(["percentile_ms"], wrongNumber(v.percentile_ms, 1, 300_000, "whole"));
      issue(["percentile_window"], wrongNumber(v.percentile_window, 60, 86_400, "length"));
    }
  });

export type AlertValues = z.infer<typeof alertSchema>;

/** Fills the form from a rule, or with what is usual. */
export function toAlertValues(a?: Alert): AlertValues {
  const c = a?.conditions;
  const p = c?.response_time_percentile;
  const type = a?.alert_type ?? "webhook";
  return {
    on: a ? names.filter((name) => c?.[name] !== null && c?.[name] !== undefined) : ["consecutive_failures"],
    values: Object.fromEntries(numberNames.map((name) => { const v = c?.[name]; return [name, v === null || v === undefined ? conditionWords[name].usual : conditionWords[name].length ? writeLength(v) : String(v)]; })),
    percentile: String(p?.percentile ?? 95), percentile_ms: String(p?.threshold_ms ?? 800), percentile_window: writeLength(p?.window_seconds ?? 900),
    severity: a?.severity ?? "high", type, config: toTyped(type, a?.alert_config),
  };
}

/** Makes the conditions of what is chosen. */
export function toConditions(v: AlertValues): Partial<Conditions> {
  const conditions: Partial<Conditions> = Object.fromEntries(numberNames.filter((name) => v.on.includes(name)).map((name) => {
    const text = (v.values[name] ?? "").trim();
    return [name, conditionWords[name].length ? parseLength(text)! : Number(text)];
  }));
  if (v.on.includes("response_time_percentile")) conditions.response_time_percentile = { percentile: Number(v.percentile), threshold_ms: Number(v.percentile_ms), window_seconds: parseLength(v.percentile_window)! };
  return conditions;
}

/** The conditions of what stands in the form now; undefined while something there is wrong. */
export function readyConditions(v: AlertValues): Partial<Conditions> | undefined {
  const wrong = alertSchema.safeParse(v).error?.issues.some((i) => i.path[0] !== "config" && i.path[0] !== "severity");
  return wrong ? undefined : toConditions(v);
}

/** Makes the body of a creation or a change. base is the rule that is changed, if one is. */
export function toAlert(v: AlertValues, base?: Alert): Draft<Alert> {
  const draft: Draft<Alert> = { conditions: toConditions(v) as Draft<Conditions>, severity: v.severity, alert_config: toConfig(v.type, v.config, base?.alert_config) as never };
  return base ? draft : { alert_type: v.type, ...draft };
}

/** Finds the field of the form for the field that the server names; undefined means that the form has none. */
export function alertField(type: string, path: string): "on" | "severity" | "type" | "percentile" | "percentile_ms" | "percentile_window" | `values.${NumberName}` | `config.${string}` | undefined {
  const setting = /^alert_config\.([a-z_]+)/.exec(path)?.[1];
  if (setting) return channelKinds[type]?.fields.some((f) => f.name === setting) ? `config.${setting}` : undefined;
  const of = /^conditions\.response_time_percentile(?:\.(percentile|threshold_ms|window_seconds))?$/.exec(path);
  if (of) return percentileFields[(of[1] ?? "percentile") as keyof typeof percentileFields];
  const name = numberNames.find((n) => path === `conditions.${n}`);
  if (name) return `values.${name}`;
  return path === "conditions" ? "on" : path === "severity" ? "severity" : path === "alert_type" ? "type" : undefined;
}
