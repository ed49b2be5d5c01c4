import type { ReactNode } from "react";
import type { CheckEvent } from "@/api/types";
import { Notice } from "@/components/Notice";
import { errorWords, resultTone, resultWord } from "@/format/status";
import { fullMoment } from "@/format/zone";
import { StatusShape } from "./MonitorStatusBadge";
import { Waterfall } from "./Waterfall";

/** All that is known of one check. */
export function EventDetails({ event }: { event: CheckEvent }) {
  const tone = resultTone(event.status);
  const facts: [string, ReactNode][] = [
    ["Target", event.monitor_url], ["Address", [event.resolved_ip, event.ip_family].filter(Boolean).join(", ")], ["Status code", event.status_code],
    ["Failed at", event.failed_phase], ["TLS", event.tls_version], ["Certificate until", event.cert_expires_at && fullMoment(event.cert_expires_at)],
    ["Body", event.response_size_bytes === null ? null : `${event.response_size_bytes} bytes`], ["Region", event.region], ["Prober", event.prober_id],
    ["Attempt", event.attempt > 1 ? event.attempt : null], ["Due", event.scheduled_at && fullMoment(event.scheduled_at)], ["Started", event.timestamp && fullMoment(event.timestamp)],
  ];
  const headers = Object.entries(event.response_headers ?? {});
  return (
    <div className="grid gap-5">
      <p className="flex items-center gap-2 text-lg font-semibold"><StatusShape status={tone} size={18} />{resultWord(event.status)}{event.error_type && <span className="font-normal text-ink-2">{errorWords(event.error_type)}</span>}</p>
      {event.error_message && <Notice quiet tone={tone === "down" ? "down" : "degraded"} title={event.error_message} />}
      {event.validation_errors?.length > 0 && <ul className="list-disc pl-5">{event.validation_errors.map((e) => <li key={e}>{e}</li>)}</ul>}
      <section><h3 className="mb-2 font-semibold">Where the time went</h3><Waterfall event={event} /></section>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-5 gap-y-1.5 text-sm">
        {facts.filter(([, v]) => v !== null && v !== undefined && v !== "").map(([word, value]) => <div key={word} className="contents"><dt className="text-ink-2">{word}</dt><dd>{value}</dd></div>)}
      </dl>
      {headers.length > 0 && (
        <details><summary className="font-semibold">Response headers ({headers.length})</summary>
          <dl className="mt-2 grid gap-1 font-mono text-xs">{headers.map(([k, v]) => <div key={k}><dt className="inline text-ink-2">{k}: </dt><dd className="inline">{v}</dd></div>)}</dl>
        </details>
      )}
    </div>
  );
}
