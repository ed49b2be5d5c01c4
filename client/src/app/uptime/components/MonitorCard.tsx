import { Link } from "@tanstack/react-router";
import { memo, useEffect, useState } from "react";
import type { Monitor } from "@/api/types";
import { useGetMonitorBuckets } from "@/api/uptime/useGetMonitorBuckets";
import { TimeAgo } from "@/components/Time";
import { millis } from "@/format/duration";
import { percent } from "@/format/percent";
import { errorWords, target } from "@/format/status";
import { statusOf } from "@/live/applyFeed";
import { type BarRange, barRanges } from "../listSearch";
import { MonitorActions } from "./MonitorActions";
import { MonitorStatusBadge } from "./MonitorStatusBadge";
import { Sparkline } from "./Sparkline";
import { coverageWords, UptimeChart } from "./UptimeChart";

interface Props {
  monitor: Monitor;
  flying: boolean;
  /** Of which time the bars are. */
  bars: BarRange;
  selected?: boolean;
  /** Present while monitors are selected. range: all since the one before. */
  onSelect?: (id: number, on: boolean, range: boolean) => void;
}

/** One monitor in the list. Its bars are asked for when it comes to rest in view. */
export const MonitorCard = memo(function MonitorCard({ monitor, flying, bars, selected, onSelect }: Props) {
  const [seen, setSeen] = useState(!flying);
  useEffect(() => { if (!flying) setSeen(true); }, [flying]);
  const { word, width, slots } = barRanges[bars];
  const buckets = useGetMonitorBuckets(monitor.id, width, slots, seen).data;
  const status = statusOf(monitor);
  const s = monitor.status;
  const troubled = status === "down" || status === "degraded";
  return (
    <article className={`card relative grid ${selected ? "outline-2 -outline-offset-1 outline-accent" : ""} grid-cols-[minmax(0,1fr)_auto] items-center gap-x-5 gap-y-2 px-4 py-3 lg:grid-cols-[minmax(0,2.1fr)_minmax(0,2fr)_minmax(0,1.1fr)_10.5rem_auto]`} aria-label={monitor.name ?? ""}>
      <div className="min-w-0">
        <div className="flex flex-wrap items-center gap-x-2.5">{onSelect && <input type="checkbox" className="check" aria-label={`Select ${monitor.name}`} checked={selected ?? false} readOnly onClick={(e) => onSelect(monitor.id, e.currentTarget.checked, e.shiftKey)} />}<MonitorStatusBadge status={status} /><Link to="/uptime/$monitorId" params={{ monitorId: monitor.id }} className="min-w-0 font-semibold hover:underline">{monitor.name}</Link></div>
        <p className="truncate text-sm text-ink-2" title={target(monitor)}>{target(monitor)}</p>
        <p className="truncate text-sm text-ink-2">{troubled && s?.last_error_type ? <span className="font-medium text-down">{errorWords(s.last_error_type)} · </span> : null}checked <TimeAgo at={s?.last_checked_at} /></p>
      </div>
      <div className="col-span-2 row-start-2 min-w-0 lg:col-span-1 lg:row-start-auto">
        <UptimeChart buckets={buckets} slots={slots} width={width} height={28} />
        <p className="mt-0.5 flex justify-between gap-2 text-xs text-ink-2"><span>{word}</span><span>{buckets ? coverageWords(buckets) : "…"}</span></p>
      </div>
      <div className="hidden min-w-0 lg:block"><Sparkline buckets={buckets} by={width} /></div>
      <dl className="col-span-2 row-start-3 grid grid-cols-3 gap-x-3 text-sm lg:col-span-1 lg:row-start-auto lg:text-right">
        <Figure word="24 h" value={percent(s?.uptime_percentage_24h)} /><Figure word="30 d" value={percent(s?.uptime_percentage_30d)} /><Figure word="mean" value={millis(s?.average_response_time_24h)} />
      </dl>
      <div className="col-start-2 row-start-1 self-start lg:self-center lg:col-start-auto lg:row-start-auto"><MonitorActions monitor={monitor} /></div>
    </article>
  );
});

function Figure({ word, value }: { word: string; value: string }) {
  return <div className="min-w-0"><dt className="text-xs text-ink-2">{word}</dt><dd className="font-semibold whitespace-nowrap tabular-nums">{value}</dd></div>;
}
