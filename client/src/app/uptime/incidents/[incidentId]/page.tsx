import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import type { ReactNode } from "react";
import { useGetIncident, useGetIncidentTimeline } from "@/api/incidents";
import { Refusal } from "@/api/refusal";
import type { Incident } from "@/api/types";
import { NotFound } from "@/app/NotFound";
import { Failure } from "@/components/Notice";
import { Section, useTitle, Waiting } from "@/components/Page";
import { Lasting, Moment } from "@/components/Time";
import { span } from "@/format/duration";
import { errorWords } from "@/format/status";
import { Evidence } from "../../components/Evidence";
import { incidentStates } from "../../components/IncidentRow";
import { Unstable } from "../../components/Unstable";
import { Act } from "./Act";
import { Notes } from "./Notes";
import { Timeline } from "./Timeline";

/** Everything about one outage: what it is, why, what happened, and what people did about it. */
export default function IncidentPage() {
  const { incidentId } = useParams({ from: "/uptime/incidents/$incidentId" });
  const incident = useGetIncident(incidentId);
  if (Number.isNaN(incidentId) || (incident.error instanceof Refusal && incident.error.status === 404)) return <NotFound what="There is no such incident." />;
  if (incident.error && !incident.data) return <Failure error={incident.error} retry={() => void incident.refetch()} />;
  return incident.data ? <IncidentDetail key={incidentId} incident={incident.data} /> : <Waiting rows={4} className="h-28" />;
}

function IncidentDetail({ incident }: { incident: Incident }) {
  const timeline = useGetIncidentTimeline(incident.id, incident.status !== "resolved");
  const name = incident.monitor_name || `monitor ${incident.monitor_id}`;
  useTitle(`${incidentStates[incident.status ?? "active"].word}: incident of ${name}`);
  return (
    <>
      <Link to="/uptime/incidents" className="mb-2 inline-flex items-center gap-1 text-sm text-ink-2 hover:text-ink"><ChevronLeft className="size-4" aria-hidden />All incidents</Link>
      <div className="mb-4 flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <div className="min-w-0">
          <h1 className="[overflow-wrap:anywhere]">Incident of {name}</h1>
          <p className="text-ink-2"><Link to="/uptime/$monitorId" params={{ monitorId: incident.monitor_id }} className="link">Go to the monitor</Link></p>
        </div>
        <Act incident={incident} />
      </div>
      <IncidentBanner incident={incident} />
      <div className="grid gap-4 *:min-w-0">
        <Facts incident={incident} />
        <Section title="Evidence"><Evidence incidentId={incident.id} open={incident.status !== "resolved"} /></Section>
        <Section title="Timeline">
          <Failure error={timeline.error} retry={() => void timeline.refetch()} />
          {timeline.isPending && <Waiting rows={3} />}
          {timeline.data && <Timeline timeline={timeline.data} />}
        </Section>
        <Section title="Notes"><Notes incidentId={incident.id} /></Section>
      </div>
    </>
  );
}

const boxes = { active: "border-down bg-down-soft", acknowledged: "border-degraded bg-degraded-soft", resolved: "border-up bg-up-soft" };

/** Where the handling stands, since when, and why it is down. */
function IncidentBanner({ incident }: { incident: Incident }) {
  const status = incident.status ?? "active";
  const { word, icon: Icon, ink } = incidentStates[status];
  const { start_time: start, end_time: end } = incident;
  return (
    <section aria-label="State" className={`mb-4 rounded-xl border px-4 py-4 ${boxes[status]}`}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <p data-testid="incident-state" data-status={status} className={`flex items-center gap-2.5 text-xl font-semibold ${ink}`}><Icon className="size-5.5" aria-hidden />{word}</p>
        {start && <p>{end ? <>lasted <b className="font-semibold">{span((Date.parse(end) - Date.parse(start)) / 1000)}</b></> : <>for <b className="font-semibold"><Lasting since={start} /></b></>}</p>}
      </div>
      {(incident.last_error || incident.last_error_type) && <p className="mt-2 [overflow-wrap:anywhere]">{incident.last_error_type && <b className="font-semibold">{errorWords(incident.last_error_type)}</b>}{incident.last_error_type && incident.last_error && ": "}{incident.last_error}</p>}
      <Unstable incident={incident} className="mt-2" />
      {incident.maintenance && <p className="mt-2">It began in a maintenance window, in which nobody is told.</p>}
      {incident.affected_by !== null && incident.affected_by !== undefined && <p className="mt-2">Nobody was told: <Link className="link" to="/uptime/$monitorId" params={{ monitorId: incident.affected_by }}>what it depends on</Link> was down too.</p>}
    </section>
  );
}

function Facts({ incident }: { incident: Incident }) {
  return (
    <dl className="card grid grid-cols-[repeat(auto-fill,minmax(9.5rem,1fr))] gap-x-4 gap-y-3 p-4 sm:p-5">
      <Fact word="First failing check"><Moment at={incident.start_time} /></Fact>
      <Fact word="End">{incident.end_time ? <Moment at={incident.end_time} /> : "Not yet"}</Fact>
      <Fact word="Failed checks">{incident.failure_count}</Fact>
      <Fact word="Regions">{incident.affected_regions.join(", ") || "–"}</Fact>
      <Fact word="Acknowledged">{incident.acknowledged_at ? <>{incident.acknowledged_by}, <Moment at={incident.acknowledged_at} /></> : "By nobody"}</Fact>
      <Fact word="Resolved">{incident.resolved_at ? <>{incident.resolved_by === "system" ? "The monitor was paused or deleted" : (incident.resolved_by ?? "By recovering")}</> : "Not yet"}</Fact>
    </dl>
  );
}

function Fact({ word, children }: { word: string; children: ReactNode }) {
  return <div className="min-w-0"><dt className="text-sm text-ink-2">{word}</dt><dd className="[overflow-wrap:anywhere]">{children}</dd></div>;
}
