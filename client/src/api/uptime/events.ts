// What checks found, and what follows from it.
import { zone } from "@/format/zone";
import { answer, client } from "../client";
import type { CheckEvent, ResultStatus, Stats, StatusReport, UptimeBucket } from "../types";

export type StatsRange = "1h" | "24h" | "7d" | "30d" | "90d" | "1y";

/** Of which time figures are asked for: a stretch that ends now, or one between two moments, in ISO 8601. */
export type StatsAsk = { preset: StatsRange; from?: undefined; to?: undefined } | { preset?: undefined; from: string; to: string };

export type BucketWidth = "hour" | "day" | "week";

/** All that is derived from a monitor's results is kept below this key, so that one call makes it stale. */
export const resultsKey = (id: number) => ["results", id] as const;

export interface EventsPage {
  events: CheckEvent[];
  next: string | null;
}

/** Which results are asked for; what is absent does not narrow. from is inclusive, to exclusive, in ISO 8601. */
export interface EventsFilter {
  statuses: ResultStatus[];
  region?: string;
  from?: string;
  to?: string;
}

export async function fetchEvents(id: number, filter: EventsFilter, pageToken: string | undefined, limit: number, signal?: AbortSignal): Promise<EventsPage> {
  const { statuses, region, from, to } = filter;
  const query = { limit, page_token: pageToken, status: statuses.length > 0 ? statuses : undefined, region, start_date: from, end_date: to };
  const page = await answer(client.GET("/api/uptime/monitors/{monitor_id}/events", { params: { path: { monitor_id: id }, query }, signal }));
  return { events: page.events, next: page.pagination?.next_page_token || null };
}

// By itself the server has a day by five minutes, which is too wide for what was zoomed into.
const isShort = ({ from, to }: { from: string; to: string }) => Date.parse(to) - Date.parse(from) <= 6 * 3_600_000;

export function fetchStats(id: number, ask: StatsAsk, region?: string, signal?: AbortSignal): Promise<Stats> {
  const time = ask.preset === undefined ? { period: "custom" as const, start_date: ask.from, end_date: ask.to, bucket: isShort(ask) ? ("minute" as const) : undefined } : {
    "1h": { hours: 1, bucket: "minute" as const }, "24h": { period: "24h" as const }, "7d": { period: "7d" as const }, "30d": { period: "30d" as const },
    "90d": { hours: 90 * 24, bucket: "day" as const }, "1y": { hours: 365 * 24, bucket: "day" as const },
  }[ask.preset];
  return answer<Stats>(client.GET("/api/uptime/monitors/{monitor_id}/stats", { params: { path: { monitor_id: id }, query: { ...time, region } }, signal }));
}

export function fetchStatus(id: number, signal?: AbortSignal): Promise<StatusReport> {
  return answer<StatusReport>(client.GET("/api/uptime/monitors/{monitor_id}/status", { params: { path: { monitor_id: id } }, signal }));
}

/** Reads the newest count hours, days or weeks, oldest first. */
export async function fetchBuckets(id: number, width: BucketWidth, count: number, signal?: AbortSignal): Promise<UptimeBucket[]> {
  // Days are counted from midnight, so the last 24 hours lie in two of them; and the first of them is within a week.
  const days = { hour: Math.ceil(count / 24) + 1, day: count, week: (count - 1) * 7 + 1 }[width];
  const query = { bucket: width, days, tz: width === "hour" ? undefined : zone() };
  const page = await answer(client.GET("/api/uptime/monitors/{monitor_id}/buckets", { params: { path: { monitor_id: id }, query }, signal }));
  return page.buckets.slice(-count);
}
