import { useNavigate, useSearch } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useEndMaintenanceWindow, useGetMaintenanceWindows } from "@/api/maintenance";
import { useCanEdit } from "@/api/session";
import type { MaintenanceWindow, Monitor } from "@/api/types";
import { useGetMonitors } from "@/api/uptime/useGetMonitors";
import { Confirm } from "@/components/Dialog";
import { Failure } from "@/components/Notice";
import { Empty, PageHead, Waiting } from "@/components/Page";
import { Moment } from "@/components/Time";
import { span } from "@/format/duration";
import { MonitorStatusBadge } from "../components/MonitorStatusBadge";
import { WindowForm } from "./WindowForm";

/** Times in which work is done: checks go on, nobody is told. */
export default function MaintenancePage() {
  const windows = useGetMaintenanceWindows();
  const monitors = useGetMonitors().data ?? [];
  const canEdit = useCanEdit();
  const { monitor } = useSearch({ from: "/uptime/maintenance" });
  const navigate = useNavigate({ from: "/uptime/maintenance" });
  const [adding, setAdding] = useState(canEdit && monitor !== undefined);
  // The form was asked for once: going back to the page later does not open it again.
  const done = () => { setAdding(false); if (monitor !== undefined) void navigate({ search: {}, replace: true }); };
  return (
    <>
      <PageHead title="Maintenance windows" about="Checks go on and everything is kept; only nobody is told.">
        {canEdit && <button type="button" className="button button-main" onClick={() => setAdding(true)}><Plus className="size-4" aria-hidden />Add window</button>}
      </PageHead>
      <Failure error={windows.error} retry={() => void windows.refetch()} />
      {windows.isPending && <Waiting rows={2} />}
      {windows.data && (windows.data.length === 0
        ? <div className="card"><Empty title="No windows">{canEdit ? "Add one before you work on what is watched." : "Somebody with the role editor can add one."}</Empty></div>
        : <ul className="grid gap-2.5">{windows.data.map((w) => <WindowRow key={w.id} window={w} monitors={monitors} canEdit={canEdit} />)}</ul>)}
      {adding && <WindowForm monitors={monitors} about={monitor} onClose={done} />}
    </>
  );
}

function WindowRow({ window, monitors, canEdit }: { window: MaintenanceWindow; monitors: Monitor[]; canEdit: boolean }) {
  const end = useEndMaintenanceWindow();
  const [asking, setAsking] = useState(false);
  const [editing, setEditing] = useState(false);
  const next = window.next_occurrences?.[0];
  const over = !window.active && !next;
  const names = new Map(monitors.map((m) => [m.id, m.name]));
  const about = [...(window.monitor_ids ?? []).map((id) => names.get(id) ?? `monitor ${id}`), ...(window.labels ?? [])].join(", ");
  const again = window.rrule ?? window.cron;
  return (
    <li className="card flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3">
      <div className="min-w-0 flex-[1_1_16rem]">
        <p className="flex flex-wrap items-center gap-x-2.5"><b className="font-semibold">{window.name}</b>{window.active ? <MonitorStatusBadge status="maintenance" /> : <span className="text-ink-2">{over ? "over" : "to come"}</span>}</p>
        <p className="text-sm text-ink-2">{about}</p>
        {next && <p className="text-sm"><Moment at={next.start} /> to <Moment at={next.end} /></p>}
        {again && <p className="text-sm text-ink-2">{again}, {span(window.duration_seconds ?? 0)} each, {window.timezone ?? "UTC"}</p>}
        {window.description && <p className="mt-1 text-sm">{window.description}</p>}
        <Failure error={end.error} />
      </div>
      {canEdit && (
        <div className="flex flex-wrap gap-2">
          <button type="button" className="button button-small" aria-label={`Edit ${window.name}`} onClick={() => setEditing(true)}>Edit</button>
          <button type="button" className="button button-small" aria-label={`${window.active ? "End now" : "Delete"} ${window.name}`} onClick={() => setAsking(true)}>{window.active ? "End now" : "Delete"}</button>
        </div>
      )}
      {editing && <WindowForm monitors={monitors} window={window} onClose={() => setEditing(false)} />}
      {asking && (
        <Confirm title={window.active ? `End “${window.name}” now?` : `Delete “${window.name}”?`} word={window.active ? "End now" : "Delete"} pending={end.isPending} onClose={() => setAsking(false)} onConfirm={() => end.mutate(window.id, { onSettled: () => setAsking(false) })}>
          {window.active ? "What is down then is told at once." : "It will not take place."}{again && " It comes again by a rule; all that were to come are deleted with it."}
        </Confirm>
      )}
    </li>
  );
}
