// How long it takes at worst until a rule triggers, by the schedule of its monitor.
import type { Monitor } from "@/api/types";
import type { Conditions } from "./conditions";

export interface Pace {
  /** Longest time between two due checks, in seconds. */
  gap: number;
  /** Longest time that a check may take. */
  slot: number;
  /** Time from a first fault to the check that confirms it. */
  retry: number;
  confirmDown: number;
  regions: number;
}

/** Reads the pace of a monitor. The gap of one that runs by cron follows from the worst case that the server computed. */
export function paceOf(m: Monitor): Pace {
  const peer = m.tls_config ?? m.tcp_config;
  const attempts = m.tcp_config ? (m.retries?.attempts ?? 1) : 1;
  const timeout = ((m.http_config ?? peer)?.timeout_ms ?? 10_000) / 1000;
  const slot = attempts * timeout + (attempts - 1) * ((m.retries?.delay_ms ?? 0) / 1000);
  const confirmDown = m.confirm_down ?? 2;
  const retry = m.retry_interval_seconds ?? 20;
  const worst = m.worst_case_alert_delay_ms / 1000 - confirmDown * slot;
  const byRetry = worst - (confirmDown - 1) * retry;
  const gap = m.interval_seconds ?? (byRetry >= retry ? byRetry : worst / confirmDown);
  return { gap, slot, retry, confirmDown, regions: Math.max(1, m.regions?.length ?? 1) };
}

const MIN_SAMPLES = 10;

/** How many of n response times must be above a threshold for the percentile to be, by nearest rank. */
export function slowNeeded(n: number, percentile: number): number {
  const rank = Math.min(n, Math.max(1, Math.ceil((n * percentile) / 100 - 1e-9)));
  return n - rank + 1;
}

/** How many checks a window holds at most, from all regions. */
export function checksWithin(pace: Pace, seconds: number): number {
  return Math.floor(seconds / pace.gap + 1e-9) * pace.regions;
}

export interface Delay {
  /** What has to be so from one moment on, as the end of "at most … after". */
  after: string;
  /** Seconds until it triggers, at most; null when it never can. */
  seconds: number | null;
  /** What is in the way of a condition that never triggers. */
  why?: string;
}

/** Says for each condition how long after its cause it triggers at the latest. What it takes to send a message is not in it. */
export function worstDelays(pace: Pace, conditions: Partial<Conditions>): Delay[] {
  const { gap, slot, retry, confirmDown, regions } = pace;
  const delays: Delay[] = [];
  const failing = (n: number) => gap + n * slot + (Math.min(n, confirmDown) - 1) * Math.min(retry, gap) + Math.max(0, n - confirmDown) * gap;
  const { consecutive_failures: failures, response_time_threshold_ms: slow, uptime_percentage_threshold: uptime, certificate_days_left: days, degraded_regions: degraded, no_data_seconds: silence, response_time_percentile: p } = conditions;
  if (failures) delays.push({ after: "it stops answering", seconds: failing(failures) });
  if (slow) delays.push({ after: "it becomes slow", seconds: gap + slot });
  if (uptime) delays.push({ after: "it stops answering, after a day without a fault", seconds: ((100 - uptime) / 100) * 86_400 + failing(confirmDown) + 60 + gap });
  if (days) delays.push({ after: "the certificate is so old", seconds: gap + slot });
  if (degraded) delays.push(degraded > regions ? { after: "", seconds: null, why: `The regions can never trigger it: it is checked from ${regions === 1 ? "one" : regions} only.` } : { after: "so many regions stop reaching it", seconds: failing(confirmDown) });
  if (silence) delays.push({ after: "the last result", seconds: 2 * gap + slot + silence });
  if (p) {
    const n = checksWithin(pace, p.window_seconds);
    if (n < MIN_SAMPLES) delays.push({ after: "", seconds: null, why: `The percentile can never trigger it: that time holds ${n} ${n === 1 ? "check" : "checks"} of the ${MIN_SAMPLES} that it needs. Take a longer time, or check more often.` });
    else delays.push({ after: "all answers become slow", seconds: Math.ceil(slowNeeded(n, p.percentile) / regions) * gap + slot });
  }
  return delays;
}
