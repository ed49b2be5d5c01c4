import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { ListTodo, Plus } from "lucide-react";
import { lazy, Suspense, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { useCanEdit } from "@/api/session";
import { useGetMonitors } from "@/api/uptime/useGetMonitors";
import { Export } from "@/components/Export";
import { Failure } from "@/components/Notice";
import { Empty, PageHead, Waiting } from "@/components/Page";
import { MonitorFilters } from "./components/MonitorFilters";
import { MonitorList } from "./components/MonitorList";
import { Overview } from "./components/Overview";
import { useSelection } from "./components/useSelection";
import { monitorColumns, tableOf } from "./exports";
import { divide, type ListSearch, select, tally } from "./listSearch";

const BulkBar = lazy(() => import("./components/BulkBar").then((m) => ({ default: m.BulkBar })));

/** The dashboard: what is down and why, then everything. */
export default function UptimePage() {
  const search = useSearch({ from: "/uptime" });
  const navigate = useNavigate({ from: "/uptime" });
  const monitors = useGetMonitors();
  const canEdit = useCanEdit();
  const all = monitors.data ?? monitors.first;
  const whole = monitors.data !== undefined;
  const deferred = useDeferredValue(search);
  const shown = useMemo(() => select(all ?? [], deferred), [all, deferred]);
  const groups = useMemo(() => divide(shown, deferred.group), [shown, deferred.group]);
  const inOrder = useMemo(() => groups.flatMap((g) => g.monitors), [groups]);
  const selection = useSelection(inOrder);
  const [selecting, setSelecting] = useState(false);
  const bar = useRef<HTMLDivElement>(null);
  const counts = useMemo(() => tally(all ?? []), [all]);
  const down = counts.find(([status]) => status === "down")?.[1] ?? 0;
  // Typing is not a step to go back over, so it replaces.
  const change = (next: Partial<ListSearch>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true, resetScroll: false });

  useEffect(() => { document.title = down > 0 ? `(${down} down) Frogstats Uptime` : "Monitors · Frogstats Uptime"; }, [down]);

  return (
    <>
      <PageHead title="Monitors">
        <Link to="/uptime/groups" className="button lg:hidden">Groups</Link>
        <Link to="/uptime/regions" className="button lg:hidden">Regions</Link>
        {canEdit && <Link to="/uptime/create" className="button button-main"><Plus className="size-4" aria-hidden />Add monitor</Link>}
      </PageHead>
      {monitors.isError && <div className="mb-4"><Failure error={monitors.error} retry={() => void monitors.refetch()} /></div>}
      {!all && monitors.isPending && <Waiting rows={5} className="h-20" />}
      {all?.length === 0 && (
        <div className="card">
          <Empty title="There are no monitors yet">
            {canEdit ? <><p>Add the first: a web address, a port, or a certificate. It is checked at once.</p><Link to="/uptime/create" className="button button-main mt-4"><Plus className="size-4" aria-hidden />Add monitor</Link></> : <p>Somebody with the role editor can add one.</p>}
          </Empty>
        </div>
      )}
      {all && all.length > 0 && (
        <>
          <Overview monitors={all} counts={counts} whole={whole} />
          <MonitorFilters all={all} counts={whole ? counts : undefined} search={search} onChange={change}>
            {canEdit && whole && <button type="button" className="button button-small" aria-pressed={selecting} onClick={() => { setSelecting(!selecting); selection.set([]); }}><ListTodo className="size-4" aria-hidden />Select</button>}
            {whole && shown.length > 0 && <Export name="monitors" what="the monitors that are shown" {...tableOf(monitorColumns, inOrder)} />}
          </MonitorFilters>
          {selecting && canEdit && <div ref={bar} className="contents"><Suspense><BulkBar shown={inOrder} selection={selection} onDone={() => { setSelecting(false); selection.set([]); }} /></Suspense></div>}
          {shown.length > 0 ? (
            <div onKeyDown={(e) => { if (e.key === "Escape" && selecting) bar.current?.querySelector<HTMLElement>("button:not(:disabled)")?.focus(); }}>
              <MonitorList groups={groups} bars={deferred.bars ?? "24h"} selection={selecting && canEdit ? selection : undefined} />
            </div>
          ) : (
            <div className="card"><Empty title={whole ? "No monitor is like that" : "None is like that so far; the others are on their way"}><button type="button" className="button mt-3" onClick={() => void navigate({ search: {} })}>Show all</button></Empty></div>
          )}
        </>
      )}
    </>
  );
}
