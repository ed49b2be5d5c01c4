import { useState } from "react";
import { AUDIT_PAGE, useGetAudit } from "@/api/audit";
import type { AuditEntry } from "@/api/types";
import { Failure } from "@/components/Notice";
import { Empty, Section, Waiting } from "@/components/Page";
import { Moment } from "@/components/Time";
import { changesOf, entries, filterAudit, nameOf, sayAction, sayKind, sayRead } from "./auditWords";

/** Who changed what in the organization. */
export function Audit() {
  const pages = useGetAudit();
  const [kind, setKind] = useState("");
  const [actor, setActor] = useState("");
  const all = pages.data?.pages.flatMap((p) => p.entries) ?? [];
  const shown = filterAudit(all, { kind, actor });
  const filtered = kind !== "" || actor !== "";
  const values = (of: (e: AuditEntry) => string, chosen: string) => [...new Set([...all.map(of), chosen])].filter(Boolean).sort();
  return (
    <Section title="Who changed what">
      <div className="mb-3 flex flex-wrap gap-2">
        <select className="input w-auto max-w-full flex-[1_1_9rem]" aria-label="Of what" value={kind} onChange={(e) => setKind(e.target.value)}>
          <option value="">Everything</option>
          {values((e) => e.object_kind, kind).map((k) => <option key={k} value={k}>{sayKind(k)}</option>)}
        </select>
        <select className="input w-auto max-w-full flex-[1_1_9rem]" aria-label="By whom" value={actor} onChange={(e) => setActor(e.target.value)}>
          <option value="">Everybody</option>
          {values((e) => e.actor_name, actor).map((a) => <option key={a}>{a}</option>)}
        </select>
      </div>
      <Failure error={pages.error} retry={() => void pages.refetch()} />
      {pages.isPending && <Waiting rows={4} className="h-10" />}
      {pages.isSuccess && shown.length === 0 && <Empty title={all.length === 0 ? "Nothing was changed yet" : `None of the ${entries(all.length)} read so far is like that`}>{all.length > 0 && pages.hasNextPage && "Older ones were not looked through yet."}</Empty>}
      <ul className="divide-y divide-line">{shown.map((e) => <Entry key={e.id} entry={e} />)}</ul>
      {pages.isSuccess && (
        <div className="mt-3 flex flex-wrap items-center justify-between gap-2">
          <p className="text-sm text-ink-2" role="status">{sayRead(shown.length, all.length, filtered, pages.hasNextPage)}</p>
          {pages.hasNextPage && <button type="button" className="button button-small" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{pages.isFetchingNextPage ? "Reading…" : filtered ? `Look through ${AUDIT_PAGE} older ones` : `Read ${AUDIT_PAGE} older ones`}</button>}
        </div>
      )}
    </Section>
  );
}

const actors: Record<string, string> = { api_key: "API key ", service: "the product: " };

function Entry({ entry }: { entry: AuditEntry }) {
  const [open, setOpen] = useState(false);
  const changes = open ? changesOf(entry.before, entry.after) : [];
  const name = nameOf(entry);
  return (
    <li className="py-1">
      <details onToggle={(e) => setOpen(e.currentTarget.open)}>
        <summary className="py-1">
          <b className="font-semibold">{sayAction(entry)}</b>{name !== entry.object_id && ` · ${name}`}
          <span className="block pl-4 text-sm text-ink-2"><Moment at={entry.at} /> · {actors[entry.actor_kind] ?? ""}{entry.actor_name || entry.actor_id}{entry.ip && ` · ${entry.ip}`}</span>
        </summary>
        {open && (
          <div className="mb-2 grid gap-2 pl-4 text-sm">
            {changes.length > 0 ? (
              <dl className="grid gap-1.5">
                {changes.map((c) => (
                  <div key={c.field}><dt className="font-medium">{c.field}</dt><dd className="font-mono text-xs">{c.before !== undefined && <del className="text-down">{c.before}</del>}{c.before !== undefined && c.after !== undefined && <span aria-hidden> → </span>}{c.after !== undefined && <ins className="text-up no-underline">{c.after}</ins>}</dd></div>
                ))}
              </dl>
            ) : <p className="text-ink-2">No field of it is kept.</p>}
            <p className="font-mono text-xs text-ink-2">{entry.action} {entry.object_id}{entry.request_id && ` · request ${entry.request_id}`}</p>
          </div>
        )}
      </details>
    </li>
  );
}
