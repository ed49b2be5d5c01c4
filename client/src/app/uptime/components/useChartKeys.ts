import { type KeyboardEvent, type RefObject, useRef } from "react";
import type uPlot from "uplot";
import type { DistributionBucket } from "@/api/types";
import { millis } from "@/format/duration";
import { fullMoment } from "@/format/zone";
import { announce } from "@/live/announce";
import { type ChartCursor, pressChart } from "./chartKeys";

interface Chart {
  plot: RefObject<uPlot | null>;
  buckets: readonly DistributionBucket[];
  zoomed: boolean;
  /** Says which bucket is looked at, by its place. */
  onAt(at: number | null): void;
  onWhole(): void;
}

const nowhere: ChartCursor = { at: null, from: null };

/** When a bucket begins, in words. */
export const sayTime = (b: DistributionBucket | undefined) => (b?.time_bucket ? fullMoment(b.time_bucket) : "");

/** The points that can be gone to: those in view of which something is known. */
function inView(plot: uPlot, buckets: readonly DistributionBucket[]): number[] {
  const { min = -Infinity, max = Infinity } = plot.scales.x!;
  return buckets.flatMap((b, i) => (b.avg_response_time !== null && plot.data[0][i]! >= min && plot.data[0][i]! <= max ? [i] : []));
}

/** Draws which point is looked at, and the range that is being chosen. */
function draw(plot: uPlot, { at, from }: ChartCursor) {
  const x = (i: number) => plot.valToPos(plot.data[0][i]!, "x");
  plot.setCursor(at === null ? { left: -10, top: -10 } : { left: x(at), top: 0 });
  const [left, right] = at === null || from === null ? [0, 0] : [Math.min(x(at), x(from)), Math.max(x(at), x(from))];
  plot.setSelect({ left, width: right - left, top: 0, height: right > left ? plot.bbox.height / devicePixelRatio : 0 }, false);
}

/** What a chart does by keys, as chartKeys has it, and says aloud. */
export function useChartKeys({ plot: ref, buckets, zoomed, onAt, onWhole }: Chart) {
  const cursor = useRef(nowhere);
  const put = (plot: uPlot, next: ChartCursor, later = false) => {
    cursor.current = next;
    const show = () => { draw(plot, next); onAt(next.at); };
    // Where a point stands after a zoom is known when uPlot has made it.
    if (later) queueMicrotask(show);
    else show();
  };
  const whole = () => { const plot = ref.current; if (plot) { onWhole(); plot.setData(plot.data, true); } };
  const zoom = (plot: uPlot, [first, last]: readonly [number, number]) => {
    // Half a bar more at both ends, so that the outer ones are whole.
    const half = (plot.data[0][1]! - plot.data[0][0]!) / 2;
    plot.setScale("x", { min: plot.data[0][first]! - half, max: plot.data[0][last]! + half });
  };
  const press = (e: KeyboardEvent) => {
    const plot = ref.current;
    if (!plot || e.altKey || e.ctrlKey || e.metaKey) return;
    const step = pressChart(e.key, e.shiftKey, cursor.current, inView(plot, buckets), zoomed);
    if (!step) return;
    e.preventDefault();
    if (step.zoom === "whole") whole();
    else if (step.zoom) zoom(plot, step.zoom);
    put(plot, step.cursor, step.zoom !== undefined);
    const point = step.cursor.at === null ? undefined : buckets[step.cursor.at];
    const range = step.zoom && step.zoom !== "whole" ? `From ${sayTime(buckets[step.zoom[0]])} to ${sayTime(buckets[step.zoom[1]])}` : undefined;
    announce(step.say ?? range ?? `${sayTime(point)}: ${millis(point?.avg_response_time)} on average, 95 % within ${millis(point?.p95_response_time)}`);
  };
  const leave = () => { if (ref.current && cursor.current !== nowhere) put(ref.current, nowhere); };
  return { press, leave, whole };
}
