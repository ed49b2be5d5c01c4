import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useChangeAlert, useGetAlerts, useTestAlert } from "@/api/alerts";
import { Refusal } from "@/api/refusal";
import { useCanEdit } from "@/api/session";
import type { Alert } from "@/api/types";
import { useGetMonitor } from "@/api/uptime/useGetMonitor";
import { SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { Empty, PageHead, Section, Waiting } from "@/components/Page";
import { type ConditionName, conditionWords, sayConditions } from "./conditions";

/** Rules of one monitor that tell somebody beside the channels. */
export default function AlertsPage() {
  const { monitorId } = useParams({ from: "/uptime/$monitorId/alerts" });
  const monitor = useGetMonitor(monitorId);
  const alerts = useGetAlerts(monitorId);
  const canEdit = useCanEdit();
  return (
    <div className="mx-auto max-w-3xl">
      <Link to="/uptime/$monitorId" params={{ monitorId }} className="mb-2 inline-flex items-center gap-1 text-sm text-ink-2 hover:text-ink"><ChevronLeft className="size-4" aria-hidden />{monitor.data?.name ?? "The monitor"}</Link>
      <PageHead title="Alert rules" about="Each sends a signed webhook when its condition holds, and when it no longer does." />
      <div className="grid gap-4">
        <Failure error={alerts.error} retry={() => void alerts.refetch()} />
        {alerts.isPending && <Waiting rows={2} />}
        {alerts.data?.length === 0 && <div className="card"><Empty title="No rules yet">Channels tell of outages without any; a rule is for something beside that.</Empty></div>}
        {alerts.data && alerts.data.length > 0 && <ul className="grid gap-2.5">{alerts.data.map((a) => <AlertRow key={a.id} alert={a} monitorId={monitorId} canEdit={canEdit} />)}</ul>}
        {canEdit && <NewAlert monitorId={monitorId} />}
      </div>
    </div>
  );
}

function AlertRow({ alert, monitorId, canEdit }: { alert: Alert; monitorId: number; canEdit: boolean }) {
  const change = useChangeAlert(monitorId);
  const test = useTestAlert(monitorId);
  const on = alert.enabled !== false;
  return (
    <li className="card grid gap-3 px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1"><p className="font-semibold">{sayConditions(alert.conditions)}{alert.triggered && <span className="text-down"> · triggered</span>}</p><p className="text-sm text-ink-2">{[alert.severity, String((alert.alert_config as { url?: string } | null)?.url ?? alert.alert_type), !on && "switched off"].filter(Boolean).join(" · ")}</p></div>
        {canEdit && (
          <div className="flex flex-wrap gap-2">
            <button type="button" className="button button-small" disabled={test.isPending} onClick={() => test.mutate(alert.id)}>Send a test</button>
            <button type="button" className="button button-small" disabled={change.isPending} onClick={() => change.mutate({ kind: "update", id: alert.id, draft: { enabled: !on } })}>{on ? "Switch off" : "Switch on"}</button>
            <button type="button" className="button button-small button-danger" disabled={change.isPending} onClick={() => change.mutate({ kind: "delete", id: alert.id })}>Delete</button>
          </div>
        )}
      </div>
      <Failure error={change.error ?? test.error} />
      {test.data && <Notice tone={test.data.success ? "up" : "down"} title={test.data.success ? "The test was accepted." : `The test was not accepted: ${test.data.error ?? ""}`} />}
    </li>
  );
}

function NewAlert({ monitorId }: { monitorId: number }) {
  const change = useChangeAlert(monitorId);
  const [name, setName] = useState<ConditionName>("consecutive_failures");
  const [value, setValue] = useState(conditionWords.consecutive_failures.usual);
  const [url, setUrl] = useState("");
  const wrong = change.error instanceof Refusal ? change.error.fields : new Map<string, string>();
  const secret = (change.data?.alert_config as { secret?: string } | null | undefined)?.secret;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    change.mutate({ kind: "create", draft: { alert_type: "webhook", alert_config: { url: url.trim() } as never, conditions: { [name]: Number(value) } } });
  };
  return (
    <Section title="Add a rule">
      <form noValidate className="grid gap-4 sm:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]" onSubmit={submit}>
        <SelectField label="When" value={name} onChange={(e) => { const next = e.target.value as ConditionName; setName(next); setValue(conditionWords[next].usual); }}>{Object.entries(conditionWords).map(([key, c]) => <option key={key} value={key}>{c.ask}</option>)}</SelectField>
        <TextField label="Value" inputMode="decimal" value={value} error={wrong.get(`conditions.${name}`)} onChange={(e) => setValue(e.target.value)} />
        <TextField className="sm:col-span-2" label="Webhook URL" type="url" placeholder="https://example.com/hook" value={url} error={wrong.get("alert_config.url")} onChange={(e) => setUrl(e.target.value)} />
        <div className="grid gap-3 sm:col-span-2"><Failure error={change.error} />{secret && <Notice tone="up" title="It signs with this secret, shown only this once."><code className="mt-1 block font-mono text-sm break-all select-all">{secret}</code></Notice>}<button type="submit" className="button button-main justify-self-start" disabled={change.isPending}>Add rule</button></div>
      </form>
    </Section>
  );
}
