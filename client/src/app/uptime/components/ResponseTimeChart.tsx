import { useEffect, useId, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import type { DistributionBucket } from "@/api/types";
import { ChartTable } from "@/components/ChartTable";
import { millis } from "@/format/duration";
import { useZoneChoice, zone } from "@/format/zone";
import { useScheme } from "@/theme";
import { axes, colorsIn, HEIGHT } from "./plotStyle";
import { phaseSeries, stack, times } from "./responseSeries";
import { sayTime, useChartKeys } from "./useChartKeys";

const bars = uPlot.paths.bars!({ size: [0.86, 60] });

interface Props {
  buckets: readonly DistributionBucket[];
  /** Asks for finer figures of the range that was zoomed into, in milliseconds since 1970. */
  onCloser?(from: number, to: number): void;
}

/** Response time by phase as stacked bars, one for each stretch of time in which something is known, with the 95th percentile as a line. Dragging zooms in, a double click out; by keys as chartKeys has it. */
export function ResponseTimeChart({ buckets, onCloser }: Props) {
  if (buckets.every((b) => b.avg_response_time === null)) return <p className="py-8 text-center text-ink-2">No response times in this range.</p>;
  return <><Chart buckets={buckets} onCloser={onCloser} /><ResponseTable buckets={buckets} /></>;
}

function Chart({ buckets, onCloser }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const scheme = useScheme();
  const zoneChoice = useZoneChoice();
  const [at, setAt] = useState<number | null>(null);
  const [zoomed, setZoomed] = useState(false);
  const hint = useId();
  const chart = useRef<uPlot | null>(null);
  const series = useMemo(() => phaseSeries(buckets), [buckets]);
  const data = useMemo(() => {
    const p95 = buckets.map((b) => b.p95_response_time ?? null);
    // uPlot paints in order, so the tallest bars come first and the lower ones cover them.
    return [times(buckets), ...stack(series).reverse(), p95] as uPlot.AlignedData;
  }, [buckets, series]);
  const words = series.map((s) => s.word).join();

  useEffect(() => {
    const node = box.current!;
    const { color, done } = colorsIn(node);
    const layers = [...series].reverse().map((s) => ({ label: s.word, stroke: color(s.token), fill: color(s.token), width: 0, paths: bars, points: { show: false } }));
    // Points show where one value stands alone, which a line would not.
    const p95Points = { size: 5, fill: color("--ink"), show: buckets.length <= 100 };
    const plot = new uPlot({
      width: node.clientWidth, height: HEIGHT, legend: { show: false }, tzDate: (s) => uPlot.tzDate(new Date(s * 1000), zone()),
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false } },
      scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.08, 1)] } },
      series: [{}, ...layers, { label: "95 %", stroke: color("--ink"), width: 1.5, dash: [4, 3], points: p95Points }],
      axes: axes(color),
      hooks: {
        setCursor: [(u) => setAt(u.cursor.idx ?? null)],
        setScale: [(u, key) => { if (key === "x") setZoomed((u.scales.x!.min ?? 0) > u.data[0][0]! || (u.scales.x!.max ?? 0) < u.data[0].at(-1)!); }],
      },
    }, data, node);
    chart.current = plot;
    done();
    const watcher = new ResizeObserver(() => plot.setSize({ width: node.clientWidth, height: HEIGHT }));
    watcher.observe(node);
    return () => { watcher.disconnect(); plot.destroy(); chart.current = null; };
    // The chart is made anew for other colours, phases or zones only; new values are put into it below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [scheme, words, zoneChoice]);

  useEffect(() => { chart.current?.setData(data, !zoomed); }, [data, zoomed]);

  const { press, leave, whole } = useChartKeys({ plot: chart, buckets, zoomed, onAt: setAt, onWhole: () => setZoomed(false) });
  const bucket = at === null ? undefined : buckets[at];
  const known = buckets.flatMap((b) => (b.avg_response_time === null ? [] : [b.avg_response_time]));
  return (
    <figure>
      <div ref={box} role="group" aria-roledescription="chart" tabIndex={0} className="min-w-0" onKeyDown={press} onBlur={leave} aria-describedby={hint} data-zoomed={zoomed || undefined} aria-label={`Response time by phase: mean ${millis(known.reduce((a, b) => a + b, 0) / known.length)}, at most ${millis(Math.max(...buckets.map((b) => b.max_response_time ?? 0)))}`} />
      <figcaption className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-1 text-sm">
        {series.map((s, i) => (
          <span key={s.word} className="inline-flex items-center gap-1.5"><svg width="10" height="10" aria-hidden><rect width="10" height="10" rx="2" fill={`var(${s.token})`} /></svg>{s.word}{at !== null && <b className="font-semibold tabular-nums">{millis(series[i]!.values[at])}</b>}</span>
        ))}
        <span className="inline-flex items-center gap-1.5"><svg width="14" height="10" aria-hidden><path d="M0 5h14" stroke="var(--ink)" strokeWidth="2" strokeDasharray="4 3" /></svg>95 % within{bucket && <b className="font-semibold tabular-nums">{millis(bucket.p95_response_time)}</b>}</span>
        <span className="ml-auto text-ink-2">{bucket?.time_bucket ? sayTime(bucket) : <>Drag to zoom<span className="max-sm:hidden">, or Shift and the arrow keys</span></>}</span>
        <span id={hint} className="sr-only">The arrow keys go from point to point. With Shift they choose a range; Enter zooms into it, and Escape goes back.</span>
        {zoomed && onCloser && <button type="button" className="button button-small" onClick={() => { const { min, max } = chart.current!.scales.x!; onCloser(Math.floor(min! * 1000), Math.ceil(max! * 1000)); }}>Look closer</button>}
        {zoomed && <button type="button" className="button button-small" onClick={whole}>Whole range</button>}
      </figcaption>
    </figure>
  );
}

function ResponseTable({ buckets }: { buckets: readonly DistributionBucket[] }) {
  const series = phaseSeries(buckets);
  const columns = [{ word: "From" }, { word: "Mean" }, { word: "95 % within" }, { word: "Longest", narrow: true }, ...series.map((s) => ({ word: s.word, narrow: true }))];
  const rows = () => buckets.flatMap((b, i) => (b.avg_response_time === null ? [] : [{ key: b.time_bucket ?? String(i), cells: [sayTime(b), millis(b.avg_response_time), millis(b.p95_response_time), millis(b.max_response_time), ...series.map((s) => millis(s.values[i]))] }])).reverse();
  return <ChartTable name="Response times" columns={columns} rows={rows} />;
}
