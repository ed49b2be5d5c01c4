import { Link } from "@tanstack/react-router";
import type { CurrentStatus, Monitor } from "@/api/types";
import { Lasting, Moment, TimeAgo } from "@/components/Time";
import { errorWords, statusWord, target } from "@/format/status";
import { statusOf } from "@/live/applyFeed";
import { StatusShape } from "./MonitorStatusBadge";

const SHOWN = 6;

/** The answer to the first question: is anything wrong, what, since when and why? whole: these are all there are, not only all that are down with some others. */
export function Overview({ monitors, counts, whole }: { monitors: Monitor[]; counts: [CurrentStatus, number][]; whole: boolean }) {
  const down = monitors.filter((m) => statusOf(m) === "down").sort((a, b) => Date.parse(b.status?.since ?? "") - Date.parse(a.status?.since ?? ""));
  return down.length > 0 ? <Trouble down={down} /> : whole ? <Calm monitors={monitors} counts={counts} /> : <Reading />;
}

function Trouble({ down }: { down: Monitor[] }) {
  return (
    <section aria-labelledby="trouble" className="mb-5 overflow-hidden rounded-xl border border-down bg-down-soft">
      <h2 id="trouble" className="flex items-center gap-2.5 px-4 py-3 text-down"><StatusShape status="down" size={20} />{down.length === 1 ? "1 monitor is down" : `${down.length} monitors are down`}</h2>
      <ul className="divide-y divide-line border-t border-line bg-card">
        {down.slice(0, SHOWN).map((m) => (
          <li key={m.id} className="grid gap-x-6 gap-y-0.5 px-4 py-3 md:grid-cols-[minmax(0,1fr)_minmax(0,1.6fr)_auto]">
            <div className="min-w-0">
              <Link to="/uptime/$monitorId" params={{ monitorId: m.id }} className="font-semibold hover:underline">{m.name}</Link>
              <p className="truncate text-sm text-ink-2" title={target(m)}>{target(m)}</p>
            </div>
            <p className="min-w-0"><b className="font-semibold">{errorWords(m.status?.last_error_type) || "failing"}</b>{m.status?.last_error && <span className="text-ink-2">: {m.status.last_error}</span>}</p>
            {m.status?.since && <p className="text-sm text-ink-2 md:text-right">since <Moment at={m.status.since} /><br className="max-md:hidden" /><span className="md:hidden"> · </span><b className="font-semibold text-ink"><Lasting since={m.status.since} /></b></p>}
          </li>
        ))}
      </ul>
      {down.length > SHOWN && <p className="border-t border-line bg-card px-4 py-2.5"><Link to="/uptime" search={{ status: "down" }} className="link">and {down.length - SHOWN} more</Link></p>}
    </section>
  );
}

/** Nothing is said of what has not been read yet. */
function Reading() {
  return (
    <section aria-label="Overview" aria-busy className="mb-5 flex items-center gap-3.5 rounded-xl border border-line-strong bg-card px-4 py-3.5">
      <StatusShape status="unknown" size={26} />
      <div className="min-w-0"><h2>Nothing is down</h2><p className="text-ink-2">The states of the others are on their way.</p></div>
    </section>
  );
}

function Calm({ monitors, counts }: { monitors: Monitor[]; counts: [CurrentStatus, number][] }) {
  const up = counts.find(([s]) => s === "up")?.[1] ?? 0;
  const watched = monitors.filter((m) => !["paused", "maintenance"].includes(statusOf(m)));
  const well = watched.length > 0 && up === watched.length;
  const newest = monitors.reduce<string | null>((at, m) => { const c = m.status?.last_checked_at; return c && (!at || c > at) ? c : at; }, null);
  const status: CurrentStatus = well ? "up" : (counts[0]?.[0] ?? "unknown");
  const rest = counts.filter(([s]) => s !== "up").map(([s, n]) => `${n} ${statusWord(s).toLowerCase()}`).join(", ");
  return (
    <section aria-label="Overview" className={`mb-5 flex items-center gap-3.5 rounded-xl border px-4 py-3.5 ${well ? "border-up bg-up-soft" : "border-line-strong bg-card"}`}>
      <StatusShape status={status} size={26} />
      <div className="min-w-0">
        <h2>{well ? "All is well" : up > 0 ? "Nothing is down" : "Nothing is known to be up"}</h2>
        <p className="text-ink-2">{up === 1 ? "1 monitor is up" : `${up} monitors are up`}{rest && `, ${rest}`}{newest && <> · last check <TimeAgo at={newest} /></>}</p>
      </div>
    </section>
  );
}
