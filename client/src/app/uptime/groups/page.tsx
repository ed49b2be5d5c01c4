import { Link, useSearch } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useDeleteGroup, useGetGroups } from "@/api/groups";
import { useCanEdit } from "@/api/session";
import type { Group, Monitor } from "@/api/types";
import { useGetMonitors } from "@/api/uptime/useGetMonitors";
import { Confirm } from "@/components/Dialog";
import { Failure } from "@/components/Notice";
import { Empty, PageHead, Waiting } from "@/components/Page";
import { Lasting } from "@/components/Time";
import { MonitorStatusBadge } from "../components/MonitorStatusBadge";
import { GroupForm } from "./GroupForm";
import { sayCounts, sayLevel, sayRule } from "./groupForm";

/** Groups of monitors: what each is, why, and who is told. */
export default function GroupsPage() {
  const { group: sought } = useSearch({ from: "/uptime/groups" });
  const groups = useGetGroups();
  const monitors = useGetMonitors().data ?? [];
  const canEdit = useCanEdit();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <PageHead title="Groups" about="One state, and one message, for several monitors.">
        {canEdit && <button type="button" className="button button-main" onClick={() => setAdding(true)}><Plus className="size-4" aria-hidden />Add group</button>}
      </PageHead>
      <Failure error={groups.error} retry={() => void groups.refetch()} />
      {groups.isPending && <Waiting rows={2} />}
      {groups.data && (groups.data.length === 0
        ? <div className="card"><Empty title="No groups">{canEdit ? "Add one for what stands together, such as the replicas of a service." : "Somebody with the role editor can add one."}</Empty></div>
        : <ul className="grid gap-2.5">{groups.data.map((g) => <GroupRow key={g.id} group={g} monitors={monitors} canEdit={canEdit} sought={g.id === sought} />)}</ul>)}
      {adding && <GroupForm monitors={monitors} onClose={() => setAdding(false)} />}
    </>
  );
}

function GroupRow({ group, monitors, canEdit, sought }: { group: Group; monitors: Monitor[]; canEdit: boolean; sought: boolean }) {
  const remove = useDeleteGroup();
  const [asking, setAsking] = useState(false);
  const [editing, setEditing] = useState(false);
  const row = useRef<HTMLLIElement>(null);
  // A message's link leads to one of them.
  useEffect(() => { if (sought) row.current?.scrollIntoView({ block: "center" }); }, [sought]);
  const state = group.state ?? "unknown";
  const failing = group.failing_members ?? [];
  return (
    <li ref={row} aria-current={sought || undefined} className={`card flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3 ${sought ? "outline-2 outline-accent" : ""}`}>
      <div className="min-w-0 flex-[1_1_16rem]">
        <p className="flex flex-wrap items-center gap-x-2.5"><MonitorStatusBadge status={state} /><b className="min-w-0 font-semibold break-words">{group.name}</b>{group.since && <span className="text-sm text-ink-2">for <Lasting since={group.since} /></span>}</p>
        <p className="text-sm">{sayCounts(group)}</p>
        {failing.length > 0 && (
          <ul aria-label="Failing members" className="my-1 flex flex-wrap gap-x-4 gap-y-1 text-sm">
            {failing.map((m) => <li key={m.monitor_id} className="flex min-w-0 items-center gap-1.5"><MonitorStatusBadge status={m.state === "degraded" ? "degraded" : "down"} /><Link className="link min-w-0 break-words" to="/uptime/$monitorId" params={{ monitorId: m.monitor_id }}>{m.name}</Link></li>)}
          </ul>
        )}
        <p className="text-sm text-ink-2">{sayRule(group.rule)}; {sayLevel(group.alert_level)}.{(group.labels ?? []).length > 0 && ` Members by label: ${group.labels!.join(", ")}.`}</p>
        {group.description && <p className="mt-1 text-sm">{group.description}</p>}
        <Failure error={remove.error} />
      </div>
      {canEdit && (
        <div className="flex flex-wrap gap-2">
          <button type="button" className="button button-small" aria-label={`Edit ${group.name}`} onClick={() => setEditing(true)}>Edit</button>
          <button type="button" className="button button-small" aria-label={`Delete ${group.name}`} onClick={() => setAsking(true)}>Delete</button>
        </div>
      )}
      {editing && <GroupForm monitors={monitors} group={group} onClose={() => setEditing(false)} />}
      {asking && (
        <Confirm title={`Delete “${group.name}”?`} word="Delete" danger pending={remove.isPending} onClose={() => setAsking(false)} onConfirm={() => remove.mutate(group.id, { onSettled: () => setAsking(false) })}>
          The monitors stay. {group.alert_level === "group" && "They are told of by themselves again: what is down then is told at once."}
        </Confirm>
      )}
    </li>
  );
}
