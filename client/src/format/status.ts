// What states and outcomes are called.
import type { CurrentStatus, Monitor, ResultStatus } from "@/api/types";

const statusWords: Record<CurrentStatus, string> = {
  up: "Up", degraded: "Degraded", down: "Down", unknown: "Unknown", paused: "Paused", maintenance: "Maintenance",
};

export const statusWord = (status: CurrentStatus): string => statusWords[status] ?? status;

/** States in the order in which somebody must look at them. */
export const statusOrder: readonly CurrentStatus[] = ["down", "degraded", "unknown", "up", "maintenance", "paused"];

const resultWords: Record<ResultStatus, string> = {
  success: "Success", failure: "Failure", timeout: "Timeout", error: "Not observed", missed: "Missed",
};

export const resultWord = (status: ResultStatus | null): string => (status ? (resultWords[status] ?? status) : "–");

/** How a result counts: what could not be observed says nothing about the target. */
export function resultTone(status: ResultStatus | null): "up" | "down" | "unknown" {
  if (status === "success") return "up";
  return status === "failure" || status === "timeout" ? "down" : "unknown";
}

/** Writes an error type as words: "connection_refused" → "connection refused". */
export const errorWords = (type: string | null | undefined): string => (type ? type.replaceAll("_", " ") : "");

/** What a monitor looks at. */
export function target(monitor: Monitor): string {
  if (monitor.http_config?.url) return monitor.http_config.url;
  const { host, port } = monitor.tls_config ?? monitor.tcp_config ?? {};
  if (!host) return "";
  return `${monitor.monitor_type}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
