import type { ReactNode } from "react";
import type { Evidence as Found, EvidenceStep } from "@/api/types";
import { useGetIncidentEvidence } from "@/api/evidence";
import { Failure } from "@/components/Notice";
import { Waiting } from "@/components/Page";
import { Moment } from "@/components/Time";
import { millis } from "@/format/duration";
import { errorWords } from "@/format/status";
import { StatusShape } from "./MonitorStatusBadge";
import { Waterfall } from "./Waterfall";
import { bodyWord, causeWord, outcomeWord, stepFound, stepWord } from "./evidenceWords";

const outcomeShape = { ok: "up", failed: "down", skipped: "unknown" } as const;

/** Why an outage was one: what was found out at its first failing check, region by region. What targets said is shown as text. */
export function Evidence({ incidentId, open }: { incidentId: number; open: boolean }) {
  const found = useGetIncidentEvidence(incidentId, open);
  const list = found.data?.evidence ?? [];
  return (
    <div className="grid gap-6">
      <Failure error={found.error} retry={() => void found.refetch()} />
      {found.isPending && <Waiting rows={2} />}
      {found.isSuccess && list.length === 0 && <p className="text-ink-2">{open ? "Nothing was found out yet; an examination takes some seconds." : "No evidence is kept of this incident."}</p>}
      {list.map((e) => <EvidenceCard key={`${e.region} ${e.scheduled_at}`} evidence={e} />)}
    </div>
  );
}

/** One piece: the cause first, because most look no further. */
export function EvidenceCard({ evidence }: { evidence: Found }) {
  const first = evidence.first_failure;
  const headers = Object.entries(first?.response_headers ?? {});
  return (
    <article className="grid gap-4 [&+article]:border-t [&+article]:border-line [&+article]:pt-5">
      <header>
        <h3 className="flex items-center gap-2 text-lg font-semibold"><StatusShape status={evidence.cause === "recovered" ? "degraded" : "down"} size={18} />{causeWord(evidence.cause)}</h3>
        <p className="mt-1 [overflow-wrap:anywhere]">{evidence.summary}</p>
        <p className="mt-1 text-sm text-ink-2">Seen from {evidence.region}, <Moment at={evidence.scheduled_at} /></p>
      </header>
      <Steps steps={evidence.steps ?? []} />
      {first && (
        <section className="grid gap-3">
          <h4 className="font-semibold">The check that failed first</h4>
          {first.error_message && <p className="[overflow-wrap:anywhere]">{first.error_message}</p>}
          {first.validation_errors?.length > 0 && <ul className="list-disc pl-5">{first.validation_errors.map((e) => <li key={e} className="[overflow-wrap:anywhere]">{e}</li>)}</ul>}
          <Facts facts={[
            ["Error", errorWords(first.error_type)], ["Failed at", first.failed_phase], ["Status code", first.status_code],
            ["Address", [first.resolved_ip, first.ip_family].filter(Boolean).join(", ")], ["TLS", first.tls_version],
          ]} />
          <div className="max-w-lg"><Waterfall event={first} /></div>
        </section>
      )}
      <Certificates evidence={evidence} />
      {headers.length > 0 && (
        <details><summary className="font-semibold">Response headers ({headers.length})</summary>
          <dl className="mt-2 grid gap-1 font-mono text-xs break-all">{headers.map(([k, v]) => <div key={k}><dt className="inline text-ink-2">{k}: </dt><dd className="inline">{v}</dd></div>)}</dl>
        </details>
      )}
      {evidence.body && (evidence.body.text ? (
        <details><summary className="font-semibold">{bodyWord(evidence.body)}</summary>
          <pre tabIndex={0} aria-label="Response body" className="mt-2 max-h-96 overflow-auto rounded-lg bg-raised p-3 font-mono text-xs whitespace-pre-wrap break-all">{evidence.body.text}</pre>
        </details>
      ) : <p className="text-sm text-ink-2">{bodyWord(evidence.body)}</p>)}
    </article>
  );
}

/** The steps of the examination. On a narrow screen a row becomes lines. */
function Steps({ steps }: { steps: EvidenceStep[] }) {
  if (steps.length === 0) return null;
  return (
    <table className="w-full text-sm">
      <caption className="mb-2 text-left text-base font-semibold">What was tried at once</caption>
      <thead className="sr-only"><tr><th scope="col">Step</th><th scope="col">Outcome</th><th scope="col">Found</th><th scope="col">Time</th></tr></thead>
      <tbody className="divide-y divide-line">
        {steps.map((s, i) => (
          <tr key={i} className="align-top max-sm:grid max-sm:grid-cols-[minmax(0,1fr)_auto] max-sm:py-1.5">
            <th scope="row" className="py-1 pr-3 text-left font-medium">{stepWord(s)}<span className="block font-normal break-all text-ink-2">{s.target}</span></th>
            <td className="py-1 pr-3 whitespace-nowrap"><span className="inline-flex items-center gap-1.5"><StatusShape status={outcomeShape[s.outcome ?? "skipped"]} size={14} />{outcomeWord(s.outcome)}</span></td>
            <td className="py-1 pr-3 [overflow-wrap:anywhere] max-sm:col-span-2">{stepFound(s)}</td>
            <td className="num py-1 text-right whitespace-nowrap max-sm:col-span-2 max-sm:text-left">{s.duration_us === null || s.duration_us === undefined ? "" : millis(s.duration_us / 1000)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What the first check was shown, else what the examination was: the same certificate, unless it was changed between. */
function Certificates({ evidence }: { evidence: Found }) {
  const shown = evidence.first_failure?.details?.certificates?.[0] ?? evidence.steps?.find((s) => s.certificate)?.certificate;
  if (!shown) return null;
  return (
    <section className="grid gap-2">
      <h4 className="font-semibold">Certificate</h4>
      {shown.problems?.length > 0 && <ul className="list-disc pl-5 text-sm">{shown.problems.map((p) => <li key={p} className="[overflow-wrap:anywhere]">{p}</li>)}</ul>}
      <Facts facts={[
        ["Subject", shown.subject], ["Issuer", shown.issuer], ["For", (shown.names ?? []).join(", ")], ["Valid from", shown.not_before && <Moment at={shown.not_before} />],
        ["Valid until", shown.not_after && <Moment at={shown.not_after} />], ["Chain trusted", shown.trusted ? "yes" : "no"], ["Name matches", shown.name_matches ? "yes" : "no"],
      ]} />
    </section>
  );
}

function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-5 gap-y-1.5 text-sm">
      {facts.filter(([, v]) => v !== null && v !== undefined && v !== "").map(([word, value]) => <div key={word} className="contents"><dt className="text-ink-2">{word}</dt><dd className="[overflow-wrap:anywhere]">{value}</dd></div>)}
    </dl>
  );
}
