import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { ToggleGroup } from "radix-ui";
import { useGetIncidents } from "@/api/incidents";
import { Refusal } from "@/api/refusal";
import type { Monitor, Stats } from "@/api/types";
import type { BucketWidth, StatsRange } from "@/api/uptime/events";
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
import { IncidentRow } from "../components/IncidentRow";
import { MonitorActions } from "../components/MonitorActions";
import { MonitorEventsList } from "../components/MonitorEventsList";
import { ResponseTimeChart } from "../components/ResponseTimeChart";
import { StatusBanner } from "../components/StatusBanner";
import { coverageWords, nothingObserved, UptimeChart, UptimeTable } from "../components/UptimeChart";

const ranges: Record<StatsRange, { word: string; width: BucketWidth; slots: number; bars: string }> = {
  "1h": { word: "1 h", width: "hour", slots: 24, bars: "last 24 hours" },
  "24h": { word: "24 h", width: "hour", slots: 24, bars: "last 24 hours" },
  "7d": { word: "7 d", width: "day", slots: 7, bars: "last 7 days" },
  "30d": { word: "30 d", width: "day", slots: 30, bars: "last 30 days" },
  "90d": { word: "90 d", width: "day", slots: 90, bars: "last 90 days" },
  "1y": { word: "1 y", width: "week", slots: 53, bars: "last 53 weeks" },
};

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
  const range: StatsRange = search.range && search.range in ranges ? (search.range as StatsRange) : "24h";
  const { width, slots, bars } = ranges[range];
  const report = useGetMonitorStatus(monitor.id);
  const stats = useGetMonitorStats(monitor.id, range);
  const buckets = useGetMonitorBuckets(monitor.id, width, slots);
  const incidents = useGetIncidents({ status: "all", monitorId: monitor.id }, 10);
  useTitle(`${statusWord(statusOf(monitor))}: ${monitor.name}`);
  const outages = incidents.data?.pages.flatMap((p) => p.incidents) ?? [];

  const picker = (
    <ToggleGroup.Root type="single" value={range} aria-label="Range" className="flex overflow-hidden rounded-lg border border-line-strong bg-card"
      onValueChange={(next) => { if (next) void navigate({ search: next === "24h" ? {} : { range: next }, replace: true, resetScroll: false }); }}>
      {Object.entries(ranges).map(([value, r]) => <ToggleGroup.Item key={value} value={value} className="px-3 py-1.5 text-sm font-medium not-last:border-r not-last:border-line data-[state=on]:bg-raised data-[state=off]:text-ink-2">{r.word}</ToggleGroup.Item>)}
    </ToggleGroup.Root>
  );

  return (
    <>
      <Link to="/uptime" className="mb-2 inline-flex items-center gap-1 text-sm text-ink-2 hover:text-ink"><ChevronLeft className="size-4" aria-hidden />All monitors</Link>
      <div className="mb-4 flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <div className="min-w-0"><h1>{monitor.name}</h1><p className="text-ink-2">{target(monitor)}</p><Labels monitor={monitor} /></div>
        <div className="flex flex-wrap gap-2"><MonitorActions monitor={monitor} spread /></div>
      </div>
      <StatusBanner monitor={monitor} report={report.data} />
      <div className="grid gap-4 *:min-w-0">
        <div className="flex flex-wrap items-center justify-between gap-3"><Figures monitor={monitor} stats={stats.data} range={range} />{picker}</div>
        <Section title="Response time">
          <Failure error={stats.error} retry={() => void stats.refetch()} />
          {/* What was shown before stays until the new range is there, and says that it is not it. */}
          <div aria-busy={stats.isPlaceholderData} data-testid="responses">{stats.data ? <ResponseTimeChart buckets={stats.data.distribution} /> : stats.isPending && <Waiting rows={1} className="h-60" />}</div>
        </Section>
        <Section title={`Uptime, ${bars}`} tools={<span className="text-sm text-ink-2">{buckets.data && coverageWords(buckets.data)}</span>}>
          <Failure error={buckets.error} retry={() => void buckets.refetch()} />
          <div aria-busy={buckets.isPlaceholderData} data-testid="bars"><UptimeChart buckets={buckets.data} slots={slots} width={width} height={44} /></div>
          <p className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-sm text-ink-2"><Key shape="fill-up" h={10} word="up" /><Key shape="fill-degraded" h={7} word="partly down" /><Key shape="fill-down" h={5} word="half or more down" /><Key shape="fill-none stroke-unknown" h={5} word="not known" /><Key shape="fill-maintenance" h={5} word="in maintenance" /><Key shape="fill-line" h={3} word="not watched yet" /></p>
          {buckets.data && <UptimeTable buckets={buckets.data} width={width} />}
        </Section>
        <Section title="Incidents">
          {incidents.isSuccess && outages.length === 0 ? <p className="text-ink-2">None yet.</p> : <ul className="divide-y divide-line">{outages.map((i) => <IncidentRow key={i.id} incident={i} />)}</ul>}
          {incidents.hasNextPage && <button type="button" className="button button-small mt-2" onClick={() => void incidents.fetchNextPage()}>Older</button>}
        </Section>
        <MonitorEventsList monitorId={monitor.id} />
        <Configuration monitor={monitor} />
      </div>
    </>
  );
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

function Figures({ monitor, stats, range }: { monitor: Monitor; stats: Stats | undefined; range: StatsRange }) {
  const s = monitor.status;
  const facts: [string, string][] = [
    [`Uptime, ${ranges[range].word}`, percent(stats?.uptime_percentage)], ["Observed", observed(monitor, stats)], ["30 days", percent(s?.uptime_percentage_30d)],
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
