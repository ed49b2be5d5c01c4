import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { useState } from "react";
import { useChangeAlert, useGetAlerts, useTestAlert } from "@/api/alerts";
import { useCanEdit } from "@/api/session";
import type { Alert, Monitor } from "@/api/types";
import { useGetMonitor } from "@/api/uptime/useGetMonitor";
import { Dialog } from "@/components/Dialog";
import { Failure, Notice } from "@/components/Notice";
import { Empty, PageHead, Section, Waiting } from "@/components/Page";
import { channelKinds } from "../../notifications/channelKinds";
import { AlertForm } from "./AlertForm";
import { sayConditions } from "./conditions";

/** Rules of one monitor that tell somebody beside the channels. */
export default function AlertsPage() {
  const { monitorId } = useParams({ from: "/uptime/$monitorId/alerts" });
  const monitor = useGetMonitor(monitorId);
  const alerts = useGetAlerts(monitorId);
  const canEdit = useCanEdit();
  return (
    <div className="mx-auto max-w-3xl">
      <Link to="/uptime/$monitorId" params={{ monitorId }} className="mb-2 inline-flex items-center gap-1 text-sm text-ink-2 hover:text-ink"><ChevronLeft className="size-4" aria-hidden />{monitor.data?.name ?? "The monitor"}</Link>
      <PageHead title="Alert rules" about="Each tells one target when one of its conditions begins to hold, and when none does any more." />
      <div className="grid gap-4">
        <Failure error={alerts.error} retry={() => void alerts.refetch()} />
        {alerts.isPending && <Waiting rows={2} />}
        {alerts.data?.length === 0 && <div className="card"><Empty title="No rules yet">Channels tell of outages without any; a rule is for something beside that.</Empty></div>}
        {alerts.data && alerts.data.length > 0 && <ul className="grid gap-2.5">{alerts.data.map((a) => <AlertRow key={a.id} alert={a} monitor={monitor.data} monitorId={monitorId} canEdit={canEdit} />)}</ul>}
        {canEdit && monitor.data && <Section title="Add a rule"><AlertForm monitor={monitor.data} /></Section>}
      </div>
    </div>
  );
}

function AlertRow({ alert, monitor, monitorId, canEdit }: { alert: Alert; monitor: Monitor | undefined; monitorId: number; canEdit: boolean }) {
  const change = useChangeAlert(monitorId);
  const test = useTestAlert(monitorId);
  const [editing, setEditing] = useState(false);
  const on = alert.enabled !== false;
  return (
    <li className="card grid gap-3 px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1"><p className="font-semibold">{sayConditions(alert.conditions)}{alert.triggered && <span className="text-down"> · triggered</span>}</p><p className="text-sm text-ink-2">{[alert.severity, sayTarget(alert), !on && "switched off"].filter(Boolean).join(" · ")}</p></div>
        {canEdit && (
          <div className="flex flex-wrap gap-2">
            <button type="button" className="button button-small" disabled={test.isPending} onClick={() => test.mutate(alert.id)}>Send a test</button>
            <button type="button" className="button button-small" disabled={!monitor} onClick={() => setEditing(true)}>Edit</button>
            <button type="button" className="button button-small" disabled={change.isPending} onClick={() => change.mutate({ kind: "update", id: alert.id, draft: { enabled: !on } })}>{on ? "Switch off" : "Switch on"}</button>
            <button type="button" className="button button-small button-danger" disabled={change.isPending} onClick={() => change.mutate({ kind: "delete", id: alert.id })}>Delete</button>
          </div>
        )}
      </div>
      {editing && monitor && <Dialog kind="wide" title="Edit the rule" onClose={() => setEditing(false)}><AlertForm monitor={monitor} alert={alert} onDone={() => setEditing(false)} /></Dialog>}
      <Failure error={change.error ?? test.error} />
      {test.data && <Notice tone={test.data.success ? "up" : "down"} title={test.data.success ? "The test was accepted." : `The test was not accepted: ${test.data.error ?? ""}`} />}
    </li>
  );
}

/** Whom a rule tells. */
function sayTarget(alert: Alert): string {
  const kind = channelKinds[alert.alert_type ?? ""]?.word ?? alert.alert_type ?? "";
  const url = (alert.alert_config as { url?: string } | null)?.url;
  return url && url !== "***" ? `${kind} ${url}` : kind;
}
