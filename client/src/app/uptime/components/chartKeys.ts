// How a chart is gone through and zoomed by keys.

export interface ChartCursor {
  /** The point that is looked at. */
  at: number | null;
  /** Where a range begins that is being chosen. */
  from: number | null;
}

export interface ChartStep {
  cursor: ChartCursor;
  /** First and last point that are to be shown, or the whole again. */
  zoom?: readonly [number, number] | "whole";
  /** What happened, where it is not that another point is looked at. */
  say?: string;
}

const PAGE = 10;

/**
 * Says what a key does. known are the points of which something is known and which are in view, rising; zoomed is whether that is
 * not all. Undefined means that the key is not the chart's.
 */
export function pressChart(key: string, shift: boolean, { at, from }: ChartCursor, known: readonly number[], zoomed: boolean): ChartStep | undefined {
  if (known.length === 0) return undefined;
  const here = at === null ? -1 : known.findIndex((i) => i >= at);
  const steps: Record<string, number> = {
    ArrowLeft: at === null ? known.length - 1 : here < 0 ? known.length - 1 : here - 1, ArrowRight: at === null ? 0 : here < 0 ? known.length - 1 : known[here] === at ? here + 1 : here,
    PageUp: (here < 0 ? known.length : here) - PAGE, PageDown: here + PAGE, Home: 0, End: known.length - 1,
  };
  const step = steps[key];
  if (step !== undefined) {
    const next = known[Math.min(Math.max(step, 0), known.length - 1)]!;
    return { cursor: { at: next, from: from ?? (shift ? (at ?? next) : null) } };
  }
  if (key === "Enter") {
    if (at === null) return undefined;
    if (from === null) return { cursor: { at, from: at }, say: "A range begins here; go to its end, and press Enter" };
    if (from === at) return { cursor: { at, from }, say: "The range has one point only; go on with the arrow keys" };
    return { cursor: { at, from: null }, zoom: [Math.min(from, at), Math.max(from, at)] };
  }
  if (key === "Escape") {
    if (from !== null) return { cursor: { at, from: null }, say: "No range any more" };
    if (zoomed) return { cursor: { at, from: null }, zoom: "whole", say: "The whole range" };
  }
  return undefined;
}
