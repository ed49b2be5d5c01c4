import { inZone } from "./zone";

const nothing = "–";

/** Writes milliseconds as people read them: "0.4 ms", "38 ms", "1.24 s", "2 min". Nothing known is a dash. */
export function millis(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return nothing;
  if (ms === 0) return "0 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** Writes a length of time with its two greatest units: "4 min 12 s", "3 d 5 h". */
export function span(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const units: [number, string][] = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => s >= size);
  if (first < 0) return "0 s";
  const [size, name] = units[first]!;
  const whole = Math.floor(s / size);
  const next = units[first + 1];
  const rest = next ? Math.floor((s % size) / next[0]) : 0;
  return next && rest > 0 && whole < 10 ? `${whole} ${name} ${rest} ${next[1]}` : `${whole} ${name}`;
}

/** Says how long ago a moment was. */
export function ago(at: string | null | undefined, now: number): string {
  if (!at) return "never";
  const seconds = (now - Date.parse(at)) / 1000;
  return seconds < 2 ? "just now" : `${span(seconds)} ago`;
}

const minute = { hour: "2-digit", minute: "2-digit" } as const;
const date = { year: "numeric", month: "short", day: "numeric" } as const;

/** Writes a moment on the reader's clock, as short as it can be told from others. */
export function moment(at: string | null | undefined, now = Date.now()): string {
  if (!at) return nothing;
  const then = new Date(at);
  if (inZone(then, date) === inZone(now, date)) return inZone(then, { ...minute, second: "2-digit" });
  const year = { year: "numeric" } as const;
  return inZone(then, inZone(then, year) === inZone(now, year) ? { month: "short", day: "numeric", ...minute } : { ...date, ...minute });
}
