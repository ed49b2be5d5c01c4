// Where on a line of time something stands.
import type { BacktestResponse } from "@/api/types";

export interface Line {
  from: number;
  to: number;
}

/** The time that a backtest has something to say about: from the first check on, if that is later than what was asked for. */
export function lineOf(b: BacktestResponse): Line {
  const to = Date.parse(b.end_date ?? "");
  const from = Math.max(Date.parse(b.start_date ?? ""), b.first_check ? Date.parse(b.first_check) : 0);
  return { from: Math.min(from, to - 1000), to };
}

/** Where a stretch stands on a line as wide as width, at least least wide so that it is seen; null when it is not on it. */
export function place(line: Line, start: string | null | undefined, end: string | null | undefined, width: number, least: number): { x: number; width: number } | null {
  const a = Math.max(line.from, start ? Date.parse(start) : line.from);
  const b = Math.min(line.to, end ? Date.parse(end) : line.to);
  if (!(a <= b) || a > line.to || b < line.from) return null;
  const scale = width / (line.to - line.from);
  const w = Math.max(least, (b - a) * scale);
  return { x: Math.min((a - line.from) * scale, width - w), width: w };
}
