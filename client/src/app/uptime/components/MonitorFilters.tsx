import { Search } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import type { CurrentStatus, Monitor, MonitorType } from "@/api/types";
import { statusWord } from "@/format/status";
import { type BarRange, barRanges, labelKeysOf, labelsOf, type ListSearch, type Sort, sorts } from "../listSearch";
import { StatusShape } from "./MonitorStatusBadge";

const kinds: [MonitorType, string][] = [["http", "HTTP"], ["tcp", "TCP"], ["tls", "TLS"]];

interface Props {
  all: Monitor[];
  /** Absent while the list is not whole. */
  counts: [CurrentStatus, number][] | undefined;
  search: ListSearch;
  onChange(next: Partial<ListSearch>): void;
  /** Stands at the end of the states. */
  children?: ReactNode;
}

/** What narrows, orders and divides the list. It changes the address, and the address changes the list. */
export function MonitorFilters({ all, counts, search, onChange, children }: Props) {
  const labels = useMemo(() => labelsOf(all), [all]);
  const keys = useMemo(() => labelKeysOf(all), [all]);
  const kindsThere = useMemo(() => new Set(all.map((m) => m.monitor_type)), [all]);
  return (
    <div role="search" className="mb-4 grid gap-2.5">
      <div className="flex flex-wrap gap-2">
        <div className="relative min-w-0 flex-[1_1_220px]">
          <Search className="pointer-events-none absolute top-1/2 left-3 size-4 -translate-y-1/2 text-ink-2" aria-hidden />
          <input type="search" className="input pl-9" placeholder="Name or address" aria-label="Filter by name or address" value={search.q ?? ""} onChange={(e) => onChange({ q: e.target.value || undefined })} />
        </div>
        {kindsThere.size > 1 && (
          <select className="input w-auto flex-[0_1_auto]" aria-label="Kind" value={search.type ?? ""} onChange={(e) => onChange({ type: (e.target.value || undefined) as MonitorType | undefined })}>
            <option value="">All kinds</option>
            {kinds.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
          </select>
        )}
        {(labels.length > 0 || search.label) && (
          <select className="input w-auto max-w-full flex-[0_1_auto]" aria-label="Label" value={search.label ?? ""} onChange={(e) => onChange({ label: e.target.value || undefined })}>
            <option value="">All labels</option>
            {search.label && !labels.includes(search.label) && <option>{search.label}</option>}
            {labels.map((l) => <option key={l}>{l}</option>)}
          </select>
        )}
        <select className="input w-auto max-w-full flex-[0_1_auto]" aria-label="Order" value={search.sort ?? "state"} onChange={(e) => onChange({ sort: e.target.value === "state" ? undefined : (e.target.value as Sort) })}>
          {Object.entries(sorts).map(([value, word]) => <option key={value} value={value}>{word}</option>)}
        </select>
        <select className="input w-auto max-w-full flex-[0_1_auto]" aria-label="Divided by" value={search.group ?? ""} onChange={(e) => onChange({ group: e.target.value || undefined })}>
          <option value="">One list</option>
          <option value="state">By state</option>
          {kindsThere.size > 1 && <option value="kind">By kind</option>}
          {keys.map((k) => <option key={k} value={`label:${k}`}>By {k}</option>)}
          {search.group && !["state", "kind"].includes(search.group) && !keys.includes(search.group.slice("label:".length)) && <option value={search.group}>By {search.group.slice("label:".length)}</option>}
        </select>
        <select className="input w-auto max-w-full flex-[0_1_auto]" aria-label="Uptime of" value={search.bars ?? "24h"} onChange={(e) => onChange({ bars: e.target.value === "24h" ? undefined : (e.target.value as BarRange) })}>
          {Object.entries(barRanges).map(([value, r]) => <option key={value} value={value}>Last {r.word}</option>)}
        </select>
      </div>
      <div className="flex min-h-8 flex-wrap items-center justify-between gap-2">
        {counts && (counts.length > 1 || search.status) && (
          <div role="group" aria-label="State" className="flex flex-wrap gap-1.5">
            {counts.map(([status, n]) => (
              <button key={status} type="button" aria-pressed={search.status === status} onClick={() => onChange({ status: search.status === status ? undefined : status })}
                className="inline-flex min-h-8 items-center gap-1.5 rounded-full border border-line-strong bg-card px-3 text-sm font-medium hover:bg-raised aria-pressed:border-ink aria-pressed:bg-raised">
                <StatusShape status={status} size={14} />{statusWord(status)} <span className="text-ink-2 tabular-nums">{n}</span>
              </button>
            ))}
          </div>
        )}
        <div className="ml-auto flex flex-wrap gap-2">{children}</div>
      </div>
    </div>
  );
}
