// How long it takes at worst until a monitor is told to be down, while its form is filled in.
import type { Monitor } from "@/api/types";
import { derivedRetry, type FormValues } from "./monitorForm";

/**
 * The longest time from a hard failure of the target to the verdict, in milliseconds, as the server computes it
 * (worst_case_alert_delay_ms). base is what the form was filled in from. Undefined while a field is not a number, and for a monitor
 * by cron, of which only the server knows the gaps.
 */
export function worstCase(v: Pick<FormValues, "monitor_type" | "interval_seconds" | "timeout_ms" | "confirm_down">, base?: Monitor): number | undefined {
  const [gap, timeout, confirm] = [v.interval_seconds, v.timeout_ms, v.confirm_down].map((text) => (/^\s*\d+\s*$/.test(text) ? Number(text) : 0)) as [number, number, number];
  if (gap < 1 || timeout < 1 || confirm < 1) return undefined;
  // One that followed the interval goes on following it.
  const asked = base?.retry_interval_seconds;
  const follows = !asked || asked === derivedRetry(base.interval_seconds ?? gap);
  const retry = Math.min(follows ? derivedRetry(gap) : asked, gap);
  const attempts = v.monitor_type === "tcp" ? (base?.retries?.attempts ?? 1) : 1;
  const slot = attempts * timeout + (attempts - 1) * (base?.retries?.delay_ms ?? 0);
  return gap * 1000 + confirm * slot + (confirm - 1) * retry * 1000;
}
