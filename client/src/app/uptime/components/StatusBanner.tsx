import type { CurrentStatus, Monitor, StatusReport } from "@/api/types";
import { Lasting, Moment, TimeAgo } from "@/components/Time";
import { errorWords, statusWord } from "@/format/status";
import { statusOf } from "@/live/applyFeed";
import { MonitorStatusBadge, StatusShape, statusInk } from "./MonitorStatusBadge";
import { isUnstable, Unstable } from "./Unstable";

const boxes: Partial<Record<CurrentStatus, string>> = { up: "border-up bg-up-soft", down: "border-down bg-down-soft", degraded: "border-degraded bg-degraded-soft" };

/** How the monitor is, since when, and why. */
export function StatusBanner({ monitor, report }: { monitor: Monitor; report: StatusReport | undefined }) {
  const status = statusOf(monitor);
  const s = monitor.status;
  const regions = report?.regions ?? [];
  const cause = status === "up" ? null : s?.last_error;
  const unstable = report?.recent_incidents.find(isUnstable);
  return (
    <section aria-label="State" className={`mb-4 rounded-xl border px-4 py-4 ${boxes[status] ?? "border-line-strong bg-card"}`}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <p data-testid="state" data-status={status} className={`flex items-center gap-2.5 text-xl font-semibold ${statusInk[status]}`}><StatusShape status={status} size={22} />{statusWord(status)}</p>
        {s?.since && <p>for <b className="font-semibold"><Lasting since={s.since} /></b> <span className="text-ink-2">since <Moment at={s.since} /></span></p>}
        <p className="text-sm text-ink-2 sm:ml-auto">checked <TimeAgo at={s?.last_checked_at} /></p>
      </div>
      {(cause || s?.last_error_type) && status !== "up" && <p className="mt-2"><b className="font-semibold">{errorWords(s?.last_error_type)}</b>{cause && `: ${cause}`}</p>}
      {unstable && <Unstable incident={unstable} className="mt-2" />}
      {status === "maintenance" && <p className="mt-2">Checks go on; nobody is told until the window is over.{report?.current_status && report.current_status !== "maintenance" && <> The checks see it <b className="font-semibold">{statusWord(report.current_status).toLowerCase()}</b>.</>}</p>}
      {status === "paused" && <p className="mt-2">It is not checked until it is resumed.</p>}
      {status === "unknown" && !cause && <p className="mt-2">{s?.last_checked_at ? "There is no recent result: that is no sign that the target is down." : "The first check is under way."}</p>}
      {regions.length > 1 && <ul className="mt-3 flex flex-wrap gap-x-5 gap-y-1">{regions.map((r) => <li key={r.region} className="flex items-center gap-2"><span className="text-ink-2">{r.region}</span><MonitorStatusBadge status={r.status ?? "unknown"} /></li>)}</ul>}
    </section>
  );
}
