import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import type { StatsAsk } from "@/api/uptime/events";
import { useGetRegionStats } from "@/api/uptime/useGetMonitorStats";
import { ChartTable } from "@/components/ChartTable";
import { Failure } from "@/components/Notice";
import { millis } from "@/format/duration";
import { fullMoment, useZoneChoice, zone } from "@/format/zone";
import { useScheme } from "@/theme";
import { axes, colorsIn, HEIGHT } from "./plotStyle";
import { type Measure, regionSeries } from "./regionSeries";

const measures: Record<Measure, string> = { avg_response_time: "Mean", p95_response_time: "95 % within" };

/** Response time as each region saw it, a line for each. */
export function RegionChart({ monitorId, regions, ask }: { monitorId: number; regions: readonly string[]; ask: StatsAsk }) {
  const { stats, error, pending } = useGetRegionStats(monitorId, regions, ask);
  const [measure, setMeasure] = useState<Measure>("avg_response_time");
  const { times, series } = useMemo(() => regionSeries(regions, stats, measure), [regions, stats, measure]);
  const known = series.some((s) => s.values.some((v) => v !== null));
  return (
    <figure aria-busy={pending}>
      <Failure error={error} />
      {!known && !pending && <p className="py-8 text-center text-ink-2">No response times in this range.</p>}
      {known && <Lines times={times} series={series} label={series.map((s, i) => `${s.region}: mean ${millis(stats[i]?.response_time?.avg)}, 95 % within ${millis(stats[i]?.response_time?.p95)}`).join("; ")} />}
      <figcaption className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-1 text-sm">
        {series.map((s, i) => (
          <span key={s.region} className="inline-flex items-center gap-1.5"><svg width="18" height="10" aria-hidden><path d="M0 5h18" stroke={`var(${s.token})`} strokeWidth="2.5" strokeDasharray={s.dash?.join(" ")} /></svg>{s.region}<b className="font-semibold tabular-nums">{millis(measure === "avg_response_time" ? stats[i]?.response_time?.avg : stats[i]?.response_time?.p95)}</b></span>
        ))}
        <select className="input ml-auto w-auto" aria-label="What is drawn" value={measure} onChange={(e) => setMeasure(e.target.value as Measure)}>{Object.entries(measures).map(([value, word]) => <option key={value} value={value}>{word}</option>)}</select>
      </figcaption>
      {known && <ChartTable name={`Response times by region: ${measures[measure]}`} columns={[{ word: "From" }, ...regions.map((word) => ({ word }))]}
        rows={() => times.map((t, i) => ({ key: String(t), cells: [fullMoment(t * 1000), ...series.map((s) => millis(s.values[i]))] })).reverse()} />}
    </figure>
  );
}

function Lines({ times, series, label }: { times: number[]; series: ReturnType<typeof regionSeries>["series"]; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const scheme = useScheme();
  const zoneChoice = useZoneChoice();
  useEffect(() => {
    const node = box.current!;
    const { color, done } = colorsIn(node);
    const plot = new uPlot({
      width: node.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { show: false }, tzDate: (s) => uPlot.tzDate(new Date(s * 1000), zone()),
      scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.08, 1)] } },
      series: [{}, ...series.map((s) => ({ label: s.region, stroke: color(s.token), width: 2, dash: s.dash, points: { show: times.length <= 100, size: 4, fill: color(s.token) } }))],
      axes: axes(color),
    }, [times, ...series.map((s) => s.values)] as uPlot.AlignedData, node);
    done();
    const watcher = new ResizeObserver(() => plot.setSize({ width: node.clientWidth, height: HEIGHT }));
    watcher.observe(node);
    return () => { watcher.disconnect(); plot.destroy(); };
  }, [scheme, zoneChoice, times, series]);
  return <div ref={box} role="img" className="min-w-0" aria-label={`Response time by region. ${label}`} />;
}
