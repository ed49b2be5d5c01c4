import { useState } from "react";
import { useRemoveProber } from "@/api/probers";
import { useIsAdmin } from "@/api/session";
import type { Prober, Region } from "@/api/types";
import { Confirm } from "@/components/Dialog";
import { Failure } from "@/components/Notice";
import { Moment, TimeAgo } from "@/components/Time";
import { millis, span } from "@/format/duration";
import { announce } from "@/live/announce";
import { StatusShape, statusInk } from "../components/MonitorStatusBadge";
import { type Said, sayProber, sayRegion } from "./regionWords";

/** One region: how it is, what that means, and who checks from there. */
export function RegionCard({ region, probers, regions }: { region: Region; probers: Prober[]; regions: number }) {
  const said = sayRegion(region, probers);
  const title = region.name || region.code;
  return (
    <section aria-label={title} className="card p-4 sm:p-5">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h2 className="[overflow-wrap:anywhere]">{title}</h2>
        {title !== region.code && <code className="font-mono text-sm text-ink-2">{region.code}</code>}
        <Health said={said} />
        {regions > 1 && region.is_local && <span className="text-sm text-ink-2">built in</span>}
      </div>
      <p className="mt-1">{said.means}</p>
      {probers.length > 0 && <ul className="mt-2 -mb-3 divide-y divide-line border-t border-line">{probers.map((p) => <ProberRow key={p.id} prober={p} />)}</ul>}
      {probers.length === 0 && <p className="mt-1 text-sm text-ink-2">{region.last_seen_at ? <>The last one was seen <TimeAgo at={region.last_seen_at} />.</> : "There never was one."}</p>}
    </section>
  );
}

function Health({ said }: { said: Said }) {
  return <span className={`inline-flex items-center gap-1.5 font-semibold whitespace-nowrap ${statusInk[said.status]}`}><StatusShape status={said.status} />{said.word}</span>;
}

function ProberRow({ prober: p }: { prober: Prober }) {
  const isAdmin = useIsAdmin();
  const remove = useRemoveProber();
  const [asking, setAsking] = useState(false);
  const said = sayProber(p);
  const waiting = p.report?.spool_results ?? 0;
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-2 py-3" aria-label={p.id}>
      <div className="min-w-0 flex-[1_1_16rem]">
        <p className="flex flex-wrap items-center gap-x-3"><b className="min-w-0 font-semibold [overflow-wrap:anywhere]">{p.id}</b><Health said={said} /></p>
        {said.means && <p className="text-sm">{said.means}</p>}
        <p className="text-sm text-ink-2">
          holds {p.monitors === 1 ? "1 monitor" : `${p.monitors} monitors`}{p.version && ` · version ${p.version}`} · seen <TimeAgo at={p.last_seen_at} />
          {p.certificate_expires_at && p.health !== "removed" && <> · certificate until <Moment at={p.certificate_expires_at} /></>}
        </p>
        {p.report && p.health !== "removed" && (
          <p className="text-sm text-ink-2">
            {p.report.checks_in_flight} of {p.capacity} checks at once · late by at most {millis(p.report.lateness_p99_ms)} in 99 of 100
            {waiting > 0 && ` · ${waiting} ${waiting === 1 ? "result" : "results"} not stored yet, the oldest ${span(p.report.spool_age_ms / 1000)} old`}
            {Math.abs(p.report.clock_offset_ms) >= 1000 && ` · its clock is off by ${millis(Math.abs(p.report.clock_offset_ms))}`}
          </p>
        )}
        <Failure error={remove.error} />
      </div>
      {isAdmin && p.enrolled && p.health !== "removed" && <button type="button" className="button button-small button-danger" onClick={() => setAsking(true)}>Remove<span className="sr-only"> {p.id}</span></button>}
      {asking && (
        <Confirm title={`Remove ${p.id}?`} word="Remove" danger pending={remove.isPending} onClose={() => setAsking(false)} onConfirm={() => remove.mutate(p.id, { onSuccess: () => announce(`${p.id} was removed`), onSettled: () => setAsking(false) })}>
          It is let in no more, and what it has not sent is not accepted any more. Another prober of its region takes over; without one, what is checked from there is unknown.
        </Confirm>
      )}
    </li>
  );
}
