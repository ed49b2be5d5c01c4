// What the entries of an incident's timeline say.
import type { TimelineEntry, TimelineKind } from "@/api/types";
import { millis, span } from "@/format/duration";
import { errorWords } from "@/format/status";

/** How an entry is drawn: each tone is a shape of its own beside its colour. */
export type Tone = "down" | "up" | "degraded" | "quiet" | "person" | "message";

export interface Words {
  tone: Tone;
  title: string;
  detail?: string;
}

const tones: Record<TimelineKind, Tone> = {
  first_failure: "degraded", confirmed_down: "down", region_down: "down", region_up: "up", held: "quiet", released: "quiet",
  maintenance_began: "quiet", maintenance_ended: "quiet", unstable_began: "degraded", unstable_ended: "quiet",
  alert_triggered: "degraded", alert_resolved: "up", message_queued: "message", message_delivered: "message", message_failed: "down",
  acknowledged: "person", note: "person", resolved: "person", recovered: "up", closed: "quiet", went_down: "down", came_up: "up",
};

const messages: Record<string, string> = {
  "monitor.down": "Outage", "monitor.recovered": "Recovery", "monitor.degraded": "Degradation", "monitor.reminder": "Reminder",
  "monitor.unstable": "Instability", "monitor.stable": "Stability", "alert.triggered": "Alert", "alert.resolved": "End of the alert",
};

const conditions: Record<string, string> = {
  consecutive_failures: "failures in a row", response_time_threshold_ms: "ms response time", uptime_percentage_threshold: "% uptime",
  certificate_days_left: "days of the certificate left", degraded_regions: "regions see it down", no_data_seconds: "seconds without data",
  response_time_percentile: "ms at the percentile",
};

const list = (regions: readonly string[]) => (regions.length > 1 ? `${regions.slice(0, -1).join(", ")} and ${regions.at(-1)}` : (regions[0] ?? ""));
const fault = (e: TimelineEntry) => [errorWords(e.error_type), e.error].filter(Boolean).join(": ") || undefined;
const lasted = (e: TimelineEntry) => (e.lasted_seconds === null || e.lasted_seconds === undefined ? "" : span(e.lasted_seconds));
const by = (e: TimelineEntry) => (e.actor_name ? ` by ${e.actor_name}` : "");
const number = (n: number) => String(Math.round(n * 100) / 100);

/** To whom a message is: the channel's name, or what is left of it. */
function receiver(e: TimelineEntry): string {
  if (e.channel_id) return e.target_name ?? `channel ${e.channel_id}, which was deleted`;
  return `${e.target_type ?? "the target"} of alert rule ${e.alert_id}`;
}

const undelivered: Partial<Record<NonNullable<TimelineEntry["delivery_state"]>, string>> = {
  pending: "It will be tried again.", dead: "It was given up.", superseded: "A later message told the same and more in its place.",
};

function message(e: TimelineEntry): Pick<Words, "title" | "detail"> {
  const what = messages[e.message_type ?? ""] ?? e.message_type ?? "Message";
  if (e.kind === "message_delivered") {
    return { title: `${what} told to ${receiver(e)}`, detail: [`after ${millis((e.lasted_seconds ?? 0) * 1000)}`, (e.attempts ?? 0) > 1 && `at the ${ordinal(e.attempts!)} attempt`].filter(Boolean).join(", ") };
  }
  const state = undelivered[e.delivery_state ?? "pending"];
  if (e.kind === "message_failed") {
    const tries = e.attempts === 1 ? "1 attempt" : `${e.attempts} attempts`;
    return { title: `${what} did not reach ${receiver(e)}`, detail: [`${tries}${e.error ? `: ${e.error}` : ""}.`, state].filter(Boolean).join(" ") };
  }
  return { title: `${what} written for ${receiver(e)}`, detail: e.delivery_state === "pending" ? "It is under way." : state };
}

const ordinal = (n: number) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th")}`;

// unstable says that the monitor was so in the course of the incident: it was not down all the time.
const words: Record<TimelineKind, (e: TimelineEntry, unstable: boolean) => Pick<Words, "title" | "detail">> = {
  first_failure: () => ({ title: "First failing check" }),
  confirmed_down: (e) => ({ title: `Confirmed down${e.regions.length > 0 ? ` in ${list(e.regions)}` : ""}`, detail: [fault(e), e.failures && `${e.failures} failures in a row`].filter(Boolean).join(" · ") || undefined }),
  region_down: (e) => ({ title: `${list(e.regions)} ${e.regions.length > 1 ? "see" : "sees"} it down too`, detail: fault(e) }),
  region_up: (e) => ({ title: `${list(e.regions)} no longer ${e.regions.length > 1 ? "see" : "sees"} it down` }),
  held: (e) => ({ title: "Nobody is told any more", detail: `${e.monitor_name ?? `Monitor ${e.monitor_id}`}, which it depends on, is down too.` }),
  released: () => ({ title: "What it depends on is no reason any more" }),
  maintenance_began: () => ({ title: "In a maintenance window", detail: "Nobody is told." }),
  maintenance_ended: () => ({ title: "The maintenance window is over" }),
  unstable_began: (e) => ({ title: "Unstable", detail: `It went down and came up again, ${e.changes} changes in all. Single changes are not told.` }),
  unstable_ended: () => ({ title: "Steady again" }),
  alert_triggered: (e) => ({ title: `Alert rule ${e.alert_id} triggered`, detail: e.condition ? `${number(e.value ?? 0)} ${conditions[e.condition] ?? errorWords(e.condition)}, the threshold is ${number(e.threshold ?? 0)}` : undefined }),
  alert_resolved: (e) => ({ title: `Alert rule ${e.alert_id} resolved`, detail: `after ${lasted(e)}` }),
  message_queued: message,
  message_delivered: message,
  message_failed: message,
  acknowledged: (e) => ({ title: `Acknowledged${by(e)}` }),
  note: (e) => ({ title: `Note${by(e)}${e.edited_at ? " (edited)" : ""}`, detail: e.text ?? "" }),
  resolved: (e) => ({ title: `Resolved${by(e)}`, detail: `${lasted(e)} after the first failing check` }),
  recovered: (e, unstable) => ({ title: "Recovered", detail: unstable ? `${lasted(e)} after the first failing check` : `Down for ${lasted(e)}.` }),
  went_down: (e) => ({ title: `Down again${e.regions.length > 0 ? ` in ${list(e.regions)}` : ""}`, detail: [fault(e), e.failures && `${e.failures} failures in a row`].filter(Boolean).join(" · ") || undefined }),
  came_up: () => ({ title: "Up again, but unstable", detail: "The incident stays open until it has been steady for long enough." }),
  closed: (e) => ({ title: "Ended, because nobody looks any more", detail: `The monitor was paused or deleted after ${lasted(e)}.` }),
};

/** Says what happened. A kind that is not known yet is said by its name. */
export function sayEntry(e: TimelineEntry, unstable = false): Words {
  const kind = e.kind ?? undefined;
  if (!kind || !(kind in words)) return { tone: "quiet", title: errorWords(kind ?? "unknown") };
  return { tone: tones[kind], ...words[kind](e, unstable) };
}

/** Leaves out that a message was written where it is told later that it arrived, or did not. */
export function withoutRepeats(entries: readonly TimelineEntry[]): TimelineEntry[] {
  const ended = new Set(entries.filter((e) => e.kind === "message_delivered" || e.kind === "message_failed").map((e) => e.delivery_id));
  return entries.filter((e) => e.kind !== "message_queued" || !ended.has(e.delivery_id));
}
