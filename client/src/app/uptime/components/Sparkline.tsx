import type { UptimeBucket } from "@/api/types";
import { millis } from "@/format/duration";

const WIDTH = 120;
const HEIGHT = 28;

/** Splits values into runs without gaps, as points of a drawing: where nothing is known there is no line. */
export function runs(values: readonly (number | null)[]): { x: number; y: number }[][] {
  const known = values.filter((v): v is number => v !== null);
  const top = Math.max(...known, 0) || 1;
  const step = values.length > 1 ? WIDTH / (values.length - 1) : 0;
  const all: { x: number; y: number }[][] = [];
  let run: { x: number; y: number }[] = [];
  values.forEach((v, i) => {
    if (v === null) { if (run.length > 0) all.push(run); run = []; return; }
    run.push({ x: i * step, y: HEIGHT - 2 - (v / top) * (HEIGHT - 5) });
  });
  if (run.length > 0) all.push(run);
  return all;
}

/** Response time of the last hours, or days, as a line from zero. */
export function Sparkline({ buckets, by = "hour" }: { buckets: readonly UptimeBucket[] | undefined; by?: "hour" | "day" }) {
  if (!buckets) return <div className="h-7 rounded bg-raised" aria-hidden />;
  const values = buckets.map((b) => b.avg_response_time ?? null);
  const known = values.filter((v): v is number => v !== null);
  if (known.length === 0) return <p className="text-center text-xs text-ink-2">no response times</p>;
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const label = known.length === 1 ? `Response time ${millis(most)}` : `Response time by ${by}: ${millis(least)} to ${millis(most)}`;
  return (
    <div>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" height={HEIGHT} className="block w-full overflow-visible fill-none stroke-ink-2" role="img" aria-label={label}>
        <title>{label}</title>
        {runs(values).map((run) => {
          const first = run[0]!;
          // A single point is a line too short to be seen; the round end makes it a dot.
          const path = run.length === 1 ? `M${first.x} ${first.y}h0.01` : `M${run.map((p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join("L")}`;
          return <path key={first.x} d={path} strokeWidth={run.length === 1 ? 4 : 1.6} strokeLinecap="round" strokeLinejoin="round" vectorEffect="non-scaling-stroke" />;
        })}
      </svg>
      <p className="mt-0.5 flex justify-between text-xs text-ink-2"><span>response</span><span className="tabular-nums">≤ {millis(most)}</span></p>
    </div>
  );
}
