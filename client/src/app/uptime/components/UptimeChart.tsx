import type { UptimeBucket } from "@/api/types";
import type { BucketWidth } from "@/api/uptime/events";
import { ChartTable } from "@/components/ChartTable";
import { millis, span } from "@/format/duration";
import { percent } from "@/format/percent";
import { inZone } from "@/format/zone";

export type BucketTone = "up" | "partly" | "down" | "unknown" | "maintenance" | "before";

/** How a bucket is drawn. Where nothing is known, nothing is claimed; in maintenance nothing counts; before the monitor existed there was nothing to know. */
export function bucketTone(bucket: UptimeBucket): BucketTone {
  const uptime = bucket.uptime_percentage ?? null;
  if (uptime === null && bucket.maintenance_seconds > 0) return "maintenance";
  if (bucket.coverage_percentage === null || bucket.coverage_percentage === undefined) return "before";
  if (uptime === null) return "unknown";
  if (uptime >= 100) return "up";
  return uptime <= 50 ? "down" : "partly";
}

/** Why nothing of a time is known: checks went wrong or were missed in it, work was done, or it has only begun. */
export function nothingObserved(maintenance: boolean, missed: boolean): string {
  return missed ? "nothing observed" : maintenance ? "in maintenance" : "not observed yet";
}

/** How much of the time is known, as words; buckets before the monitor existed do not count. */
export function coverageWords(buckets: readonly UptimeBucket[]): string {
  const known = buckets.flatMap((b) => (b.coverage_percentage === null || b.coverage_percentage === undefined ? [] : [b.coverage_percentage]));
  if (known.length === 0) return buckets.some((b) => b.maintenance_seconds > 0) ? "in maintenance" : "nothing known yet";
  const mean = known.reduce((sum, c) => sum + c, 0) / known.length;
  // Between its making and a window, a monitor has a moment of which nothing is known, and no figure is worth showing of that.
  if (mean === 0) return nothingObserved(buckets.some((b) => b.maintenance_seconds > 0), buckets.some((b) => b.missed_checks || b.error_checks));
  return mean >= 99.95 ? "all observed" : `${percent(mean)} observed`;
}

const fills: Record<BucketTone, string> = { up: "fill-up", partly: "fill-degraded", down: "fill-down", unknown: "fill-none stroke-unknown", maintenance: "fill-maintenance", before: "fill-line" };
// Height says the same as colour: what was down hangs from the top, what is unknown is a hollow
// stub in the middle, maintenance a filled one, and what was before the monitor existed is a thin line.
const shapes: Record<BucketTone, [y: number, height: number]> = { up: [0, 28], partly: [0, 20], down: [0, 12], unknown: [10, 8], maintenance: [10, 8], before: [13, 2] };
const PITCH = 10;

const hour = { weekday: "short", hour: "2-digit", minute: "2-digit" } as const;
const day = { weekday: "short", month: "short", day: "numeric" } as const;

function describe(bucket: UptimeBucket, width: BucketWidth): string {
  const at = bucket.bucket_time ? inZone(new Date(bucket.bucket_time), width === "hour" ? hour : day) : "";
  const when = width === "week" && at ? `Week from ${at}` : at;
  const tone = bucketTone(bucket);
  if (tone === "unknown" || tone === "before" || tone === "maintenance") return `${when}: ${{ unknown: "not known", before: "not watched", maintenance: "in maintenance" }[tone]}`;
  const parts = [`${percent(bucket.uptime_percentage)} up`];
  if (bucket.down_seconds > 0) parts.push(`${span(bucket.down_seconds)} down`);
  if (bucket.maintenance_seconds > 0) parts.push(`${span(bucket.maintenance_seconds)} in maintenance`);
  if ((bucket.coverage_percentage ?? 100) < 99.95) parts.push(`${percent(bucket.coverage_percentage)} observed`);
  if (bucket.avg_response_time !== null) parts.push(`${millis(bucket.avg_response_time)} on average`);
  return `${when}: ${parts.join(", ")}`;
}

function summary(buckets: readonly UptimeBucket[], width: BucketWidth): string {
  const count = (tone: BucketTone) => buckets.filter((b) => bucketTone(b) === tone).length;
  const parts = [[count("up"), "wholly up"], [count("partly") + count("down"), "with down time"], [count("unknown"), "not known"], [count("maintenance"), "in maintenance"], [count("before"), "not watched yet"]].filter(([n]) => n);
  return `Uptime of the last ${buckets.length} ${width}s: ${parts.map(([n, word]) => `${n} ${word}`).join(", ") || "nothing known"}`;
}

interface Props {
  /** Oldest first; undefined while on their way. */
  buckets: readonly UptimeBucket[] | undefined;
  slots: number;
  width: BucketWidth;
  height?: number;
}

const tones: Record<BucketTone, string> = { up: "up", partly: "partly down", down: "half or more down", unknown: "not known", maintenance: "in maintenance", before: "not watched yet" };

/** What the bars show, as a table, the newest first. */
export function UptimeTable({ buckets, width }: { buckets: readonly UptimeBucket[]; width: BucketWidth }) {
  const seconds = (n: number) => (n > 0 ? span(n) : "–");
  const columns = [{ word: { hour: "Hour", day: "Day", week: "Week from" }[width] }, { word: "State" }, { word: "Uptime" }, { word: "Down", narrow: true }, { word: "Maintenance", narrow: true }, { word: "Observed", narrow: true }];
  const rows = () => buckets.map((b, i) => ({
    key: b.bucket_time ?? String(i),
    cells: [b.bucket_time ? inZone(new Date(b.bucket_time), width === "hour" ? hour : day) : "–", tones[bucketTone(b)], percent(b.uptime_percentage), seconds(b.down_seconds), seconds(b.maintenance_seconds), percent(b.coverage_percentage)],
  })).reverse();
  return <ChartTable name="Uptime" columns={columns} rows={rows} />;
}

/** Uptime by hour, day or week as bars, the oldest at the left. */
export function UptimeChart({ buckets, slots, width, height = 28 }: Props) {
  if (!buckets) return <div style={{ height }} className="rounded bg-raised" aria-hidden />;
  const shown = buckets.slice(-slots);
  return (
    <svg viewBox={`0 0 ${slots * PITCH - 2} 28`} preserveAspectRatio="none" height={height} className="block w-full" role="img" aria-label={summary(shown, width)}>
      {shown.map((bucket, i) => {
        const tone = bucketTone(bucket);
        const [y, h] = shapes[tone];
        const x = (slots - shown.length + i) * PITCH;
        // What was observed only in part is drawn paler, so that a green bar is not taken for more than it is.
        const pale = (tone === "up" || tone === "partly" || tone === "down") && (bucket.coverage_percentage ?? 100) < 90;
        return (
          <g key={bucket.bucket_time ?? i}>
            <rect x={x} y={y} width={PITCH - 2} height={h} className={fills[tone]} opacity={pale ? 0.55 : 1} vectorEffect="non-scaling-stroke" />
            {/* The whole column answers the pointer. */}
            <rect x={x - 1} y={0} width={PITCH} height={28} className="fill-transparent"><title>{describe(bucket, width)}</title></rect>
          </g>
        );
      })}
    </svg>
  );
}
