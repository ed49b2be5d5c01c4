import { Link } from "@tanstack/react-router";
import { CircleCheck, Flame, Hand } from "lucide-react";
import { useActOnIncident } from "@/api/incidents";
import { useCanEdit } from "@/api/session";
import type { Incident } from "@/api/types";
import { Failure } from "@/components/Notice";
import { Lasting, Moment } from "@/components/Time";
import { span } from "@/format/duration";
import { errorWords } from "@/format/status";
import { Unstable } from "./Unstable";

/** What the states of an incident are called and how they look. */
export const incidentStates = {
  active: { word: "Active", icon: Flame, ink: "text-down" },
  acknowledged: { word: "Acknowledged", icon: Hand, ink: "text-degraded" },
  resolved: { word: "Resolved", icon: CircleCheck, ink: "text-up" },
} as const;

/** One outage: when, how long, why, who cares for it. */
export function IncidentRow({ incident, named }: { incident: Incident; named?: boolean }) {
  const canEdit = useCanEdit();
  const act = useActOnIncident();
  const { word, icon: Icon, ink } = incidentStates[incident.status ?? "active"];
  const { start_time: start, end_time: end } = incident;
  return (
    <li className="grid gap-x-4 gap-y-1.5 py-3 sm:grid-cols-[8.5rem_minmax(0,1fr)_auto]">
      <p className={`flex items-center gap-1.5 self-start font-semibold ${ink}`}><Icon className="size-4" aria-hidden />{word}</p>
      <div className="min-w-0">
        {named && <Link to="/uptime/$monitorId" params={{ monitorId: incident.monitor_id }} className="font-semibold hover:underline">{incident.monitor_name}</Link>}
        <p>{incident.last_error_type && <b className="font-semibold">{errorWords(incident.last_error_type)}</b>}{incident.last_error && <span className="text-ink-2">: {incident.last_error}</span>}</p>
        <p className="text-sm text-ink-2">
          <Moment at={start} />{start && (end ? <> · lasted {span((Date.parse(end) - Date.parse(start)) / 1000)}</> : <> · for <Lasting since={start} /></>)}
          {incident.failure_count > 0 && ` · ${incident.failure_count} failed ${incident.failure_count === 1 ? "check" : "checks"}`}
          {incident.affected_regions?.length > 0 && ` · ${incident.affected_regions.join(", ")}`}
          {incident.maintenance && " · in a maintenance window"}
          {incident.acknowledged_by && !end && ` · taken by ${incident.acknowledged_by}`}{incident.resolved_by && ` · resolved by ${incident.resolved_by}`}
          {" · "}<Link className="link" to="/uptime/incidents/$incidentId" params={{ incidentId: incident.id }}>Timeline and notes<span className="sr-only"> of incident {incident.id}</span></Link>
        </p>
        <Unstable incident={incident} className="text-sm text-ink-2" />
        {incident.affected_by !== null && incident.affected_by !== undefined && <p className="text-sm text-ink-2">Nobody was told: <Link className="link" to="/uptime/$monitorId" params={{ monitorId: incident.affected_by }}>what it depends on</Link> was down too.</p>}
        <Failure error={act.error} />
      </div>
      {canEdit && incident.status !== "resolved" && (
        <div className="flex flex-wrap gap-2 self-start">
          {incident.status === "active" && <button type="button" className="button button-small" disabled={act.isPending} onClick={() => act.mutate({ id: incident.id, action: "acknowledge" })}>Acknowledge</button>}
          <button type="button" className="button button-small" disabled={act.isPending} onClick={() => act.mutate({ id: incident.id, action: "resolve" })}>Resolve</button>
        </div>
      )}
    </li>
  );
}
