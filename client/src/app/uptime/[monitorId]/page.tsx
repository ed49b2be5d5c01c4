import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { useMemo, useState } from "react";
import { useGetIncidents } from "@/api/incidents";
import { Refusal } from "@/api/refusal";
import type { Monitor, Stats } from "@/api/types";
import { useGetMonitor } from "@/api/uptime/useGetMonitor";
import { useGetMonitorBuckets } from "@/api/uptime/useGetMonitorBuckets";
import { useGetMonitorStats } from "@/api/uptime/useGetMonitorStats";
import { useGetMonitorStatus } from "@/api/uptime/useGetMonitorStatus";
import { NotFound } from "@/app/NotFound";
import { Failure } from "@/components/Notice";
import { Section, useTitle, Waiting } from "@/components/Page";
import { TimeAgo } from "@/components/Time";
import { millis, span } from "@/format/duration";
import { percent } from "@/format/percent";
import { statusWord, target } from "@/format/status";
import { statusOf } from "@/live/applyFeed";
import { Histogram } from "../components/Histogram";
import { IncidentRow } from "../components/IncidentRow";
import { MonitorActions } from "../components/MonitorActions";
import { MonitorEventsList } from "../components/MonitorEventsList";
import { RegionChart } from "../components/RegionChart";
import { ResponseTimeChart } from "../components/ResponseTimeChart";
import { StatusBanner } from "../components/StatusBanner";
import { coverageWords, nothingObserved, UptimeChart, UptimeTable } from "../components/UptimeChart";
import { MOST_DAYS, type Range, type RangeSearch, rangeOf } from "./range";
import { RangePicker } from "./RangePicker";

/** Everything about one monitor. */
export default function MonitorPage() {
  const { monitorId } = useParams({ from: "/uptime/$monitorId" });
  const monitor = useGetMonitor(monitorId);
  if (Number.isNaN(monitorId) || (monitor.error instanceof Refusal && monitor.error.status === 404)) return <NotFound what="There is no such monitor." />;
  if (monitor.error && !monitor.data) return <Failure error={monitor.error} retry={() => void monitor.refetch()} />;
  return monitor.data ? <MonitorDetail key={monitorId} monitor={monitor.data} /> : <Waiting rows={4} className="h-28" />;
}

function MonitorDetail({ monitor }: { monitor: Monitor }) {
  const search = useSearch({ from: "/uptime/$monitorId" });
  const navigate = useNavigate({ from: "/uptime/$monitorId" });
  const range = useRange(search);
  const { ask, width, slots } = range;
  const regions = monitor.regions ?? [];
  const region = regions.includes(search.region ?? "") ? search.region : undefined;
  const [byRegion, setByRegion] = useState(false);
  const report = useGetMonitorStatus(monitor.id);
  const stats = useGetMonitorStats(monitor.id, ask, region);
  const buckets = useGetMonitorBuckets(monitor.id, width, slots);
  const { of } = range;
  const bars = useMemo(() => (of ? buckets.data?.filter((b) => { const at = Date.parse(b.bucket_time ?? ""); return at >= of.from && at < of.to; }) : buckets.data), [buckets.data, of]);
  const incidents = useGetIncidents({ status: "all", monitorId: monitor.id }, 10);
  useTitle(`${statusWord(statusOf(monitor))}: ${monitor.name}`);
  const outages = incidents.data?.pages.flatMap((p) => p.incidents) ?? [];

  // A range that was chosen by its ends is a step that can be gone back over; looking at another by its name is none.
  const show = (next: RangeSearch) => void navigate({ search: { ...next, region: search.region }, replace: next.from === undefined, resetScroll: false });
  const from = (next: string) => void navigate({ search: (before) => ({ ...before, region: next || undefined }), replace: true, resetScroll: false });

  return (
    <>
      <Link to="/uptime" className="mb-2 inline-flex items-center gap-1 text-sm text-ink-2 hover:text-ink"><ChevronLeft className="size-4" aria-hidden />All monitors</Link>
      <div className="mb-4 flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <div className="min-w-0"><h1>{monitor.name}</h1><p className="text-ink-2">{target(monitor)}</p><Labels monitor={monitor} /></div>
        <div className="flex flex-wrap gap-2"><MonitorActions monitor={monitor} spread /></div>
      </div>
      <StatusBanner monitor={monitor} report={report.data} />
      <div className="grid gap-4 *:min-w-0">
        <div className="flex flex-wrap items-center justify-between gap-3"><Figures monitor={monitor} stats={stats.data} word={range.word} /><div className="flex flex-wrap items-center gap-2"><RangePicker range={range} onChange={show} />{regions.length > 1 && <RegionPicker regions={regions} region={region} onChange={from} />}</div></div>
        <Section title="Response time" tools={regions.length > 1 && <PhaseOrRegion byRegion={byRegion} onChange={setByRegion} />}>
          <Failure error={stats.error} retry={() => void stats.refetch()} />
          {/* What was shown before stays until the new range is there, and says that it is not it. */}
          <div aria-busy={stats.isPlaceholderData} data-testid="responses">{byRegion && regions.length > 1 ? <RegionChart monitorId={monitor.id} regions={regions} ask={ask} />
            : stats.data ? <ResponseTimeChart buckets={stats.data.distribution} onCloser={(a, b) => show({ from: new Date(a).toISOString(), to: new Date(b).toISOString() })} /> : stats.isPending && <Waiting rows={1} className="h-60" />}</div>
        </Section>
        <Section title="How long answers took">{stats.data ? <div aria-busy={stats.isPlaceholderData}><Histogram stats={stats.data} /></div> : stats.isPending && <Waiting rows={1} className="h-28" />}</Section>
        <Section title={`Uptime, ${range.bars}${region ? ", from everywhere" : ""}`} tools={<span className="text-sm text-ink-2">{bars && (of && bars.length === 0 ? `bars reach back ${MOST_DAYS} days` : coverageWords(bars))}</span>}>
          <Failure error={buckets.error} retry={() => void buckets.refetch()} />
          <div aria-busy={buckets.isPlaceholderData} data-testid="bars"><UptimeChart buckets={bars} slots={of ? Math.max(bars?.length ?? 1, 1) : slots} width={width} height={44} /></div>
          <p className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-sm text-ink-2"><Key shape="fill-up" h={10} word="up" /><Key shape="fill-degraded" h={7} word="partly down" /><Key shape="fill-down" h={5} word="half or more down" /><Key shape="fill-none stroke-unknown" h={5} word="not known" /><Key shape="fill-maintenance" h={5} word="in maintenance" /><Key shape="fill-line" h={3} word="not watched yet" /></p>
          {bars && <UptimeTable buckets={bars} width={width} />}
        </Section>
        <Section title="Incidents">
          {incidents.isSuccess && outages.length === 0 ? <p className="text-ink-2">None yet.</p> : <ul className="divide-y divide-line">{outages.map((i) => <IncidentRow key={i.id} incident={i} />)}</ul>}
          {incidents.hasNextPage && <button type="button" className="button button-small mt-2" onClick={() => void incidents.fetchNextPage()}>Older</button>}
        </Section>
        <MonitorEventsList monitorId={monitor.id} region={region} from={ask.from} to={ask.to} />
        <Configuration monitor={monitor} />
      </div>
    </>
  );
}

/** What the address asks for, as of when it began to. */
function useRange(search: RangeSearch): Range {
  const { range, from, to } = search;
  return useMemo(() => rangeOf({ range, from, to }, Date.now()), [range, from, to]);
}

function RegionPicker({ regions, region, onChange }: { regions: readonly string[]; region: string | undefined; onChange(next: string): void }) {
  return <select className="input w-auto" aria-label="From where" value={region ?? ""} onChange={(e) => onChange(e.target.value)}><option value="">From everywhere</option>{regions.map((r) => <option key={r}>{r}</option>)}</select>;
}

function PhaseOrRegion({ byRegion, onChange }: { byRegion: boolean; onChange(next: boolean): void }) {
  return <select className="input w-auto" aria-label="Response time by" value={byRegion ? "region" : "phase"} onChange={(e) => onChange(e.target.value === "region")}><option value="phase">By phase</option><option value="region">By region</option></select>;
}

function Key({ shape, h, word }: { shape: string; h: number; word: string }) {
  return <span className="inline-flex items-center gap-1.5"><svg width="8" height="10" aria-hidden><rect x="0.5" y={word.startsWith("not") ? 3 : 0.5} width="6" height={h - 1} className={shape} /></svg>{word}</span>;
}

function Labels({ monitor }: { monitor: Monitor }) {
  const labels = Object.entries(monitor.labels ?? {}).map(([k, v]) => (v ? `${k}=${v}` : k));
  if (labels.length === 0) return null;
  return <ul className="mt-1.5 flex flex-wrap gap-1.5" aria-label="Labels">{labels.map((l) => <li key={l}><Link to="/uptime" search={{ label: l }} className="rounded-full border border-line-strong px-2.5 py-0.5 text-sm hover:bg-raised">{l}</Link></li>)}</ul>;
}

/** How much of the range is known; where that is nothing, why. */
function observed(monitor: Monitor, stats: Stats | undefined): string {
  const known = stats?.coverage_percentage;
  const maintenance = statusOf(monitor) === "maintenance";
  if (!stats || known) return percent(known);
  return known === 0 || maintenance ? nothingObserved(maintenance, stats.error_checks + stats.missed_checks > 0) : percent(known);
}

function Figures({ monitor, stats, word }: { monitor: Monitor; stats: Stats | undefined; word: string }) {
  const s = monitor.status;
  const facts: [string, string][] = [
    [`Uptime, ${word}`, percent(stats?.uptime_percentage)], ["Observed", observed(monitor, stats)], ["30 days", percent(s?.uptime_percentage_30d)],
    ["Mean", millis(stats?.response_time?.avg)], ["95 % within", millis(stats?.response_time?.p95)], ["99 % within", millis(stats?.response_time?.p99)],
    ["Failed", stats ? `${stats.failed_checks + stats.timeout_checks} of ${stats.total_checks}` : "–"], ["Not observed", stats ? String(stats.error_checks + stats.missed_checks) : "–"],
  ];
  return <dl className="grid w-full grid-cols-2 gap-2 sm:grid-cols-4 lg:grid-cols-8">{facts.map(([word, value]) => <div key={word} className="card min-w-0 px-3 py-2"><dt className="text-xs text-ink-2">{word}</dt><dd className="font-semibold tabular-nums">{value}</dd></div>)}</dl>;
}

function Configuration({ monitor }: { monitor: Monitor }) {
  const every = monitor.cron ? `by cron ${monitor.cron}${monitor.timezone ? ` (${monitor.timezone})` : ""}` : `every ${span(monitor.interval_seconds ?? 0)}`;
  return (
    <p className="text-sm text-ink-2">
      Checked {every} from {(monitor.regions ?? []).join(", ")}; down after {monitor.confirm_down} failures in a row; an alert at most {millis(monitor.worst_case_alert_delay_ms)} after a failure begins. Changed <TimeAgo at={monitor.updated_at} />{monitor.managed_by && <>, managed by {monitor.managed_by}</>}.
    </p>
  );
}
