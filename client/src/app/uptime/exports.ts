// What of a list stands in a table that is exported.
import type { CheckEvent, Incident, Monitor } from "@/api/types";
import type { CsvValue } from "@/format/csv";
import { target } from "@/format/status";
import { statusOf } from "@/live/applyFeed";

type Column<T> = readonly [word: string, value: (thing: T) => CsvValue];

const labels = (m: Monitor) => Object.entries(m.labels ?? {}).map(([k, v]) => (v ? `${k}=${v}` : k)).join(", ");

export const monitorColumns: readonly Column<Monitor>[] = [
  ["id", (m) => m.id], ["name", (m) => m.name], ["type", (m) => m.monitor_type], ["target", (m) => target(m)], ["state", (m) => statusOf(m)],
  ["uptime_percentage_24h", (m) => m.status?.uptime_percentage_24h], ["uptime_percentage_30d", (m) => m.status?.uptime_percentage_30d],
  ["average_response_time_24h_ms", (m) => m.status?.average_response_time_24h], ["last_checked_at", (m) => m.status?.last_checked_at],
  ["last_error_type", (m) => m.status?.last_error_type], ["labels", labels], ["regions", (m) => (m.regions ?? []).join(", ")], ["interval_seconds", (m) => m.interval_seconds],
];

export const eventColumns: readonly Column<CheckEvent>[] = [
  ["event_id", (e) => e.event_id], ["scheduled_at", (e) => e.scheduled_at], ["started_at", (e) => e.timestamp], ["status", (e) => e.status], ["region", (e) => e.region],
  ["response_time_ms", (e) => (e.status === "missed" ? null : e.response_time_us / 1000)], ["status_code", (e) => e.status_code], ["error_type", (e) => e.error_type],
  ["error_message", (e) => e.error_message], ["missed_count", (e) => e.missed_count],
];

export const incidentColumns: readonly Column<Incident>[] = [
  ["id", (i) => i.id], ["monitor_id", (i) => i.monitor_id], ["monitor_name", (i) => i.monitor_name], ["status", (i) => i.status], ["start_time", (i) => i.start_time],
  ["end_time", (i) => i.end_time], ["affected_regions", (i) => (i.affected_regions ?? []).join(", ")], ["last_error_type", (i) => i.last_error_type],
  ["last_error", (i) => i.last_error], ["failure_count", (i) => i.failure_count], ["acknowledged_by", (i) => i.acknowledged_by],
];

/** The heads of columns, and what makes rows of things. */
export function tableOf<T>(columns: readonly Column<T>[], things: readonly T[]) {
  return { columns: columns.map(([word]) => word), rows: () => things.map((thing) => columns.map(([, value]) => value(thing))), things: () => [...things] };
}
