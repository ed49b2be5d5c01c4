import { useState } from "react";
import type { CheckEvent, ResultStatus } from "@/api/types";
import { useGetMonitorEvents } from "@/api/uptime/useGetMonitorEvents";
import { Dialog } from "@/components/Dialog";
import { Export } from "@/components/Export";
import { Failure } from "@/components/Notice";
import { Empty, Section, Waiting } from "@/components/Page";
import { Moment } from "@/components/Time";
import { millis } from "@/format/duration";
import { errorWords, resultTone, resultWord } from "@/format/status";
import { eventColumns, tableOf } from "../exports";
import { EventDetails } from "./EventDetails";
import { StatusShape } from "./MonitorStatusBadge";

const filters: Record<string, ResultStatus[]> = { all: [], failed: ["failure", "timeout"], unobserved: ["error", "missed"] };

/** Results, newest first; each opens a drawer with all that is known of it. */
export function MonitorEventsList({ monitorId, region, from, to }: { monitorId: number; region?: string; from?: string; to?: string }) {
  const [filter, setFilter] = useState("all");
  const [open, setOpen] = useState<CheckEvent | null>(null);
  const pages = useGetMonitorEvents(monitorId, { statuses: filters[filter]!, region, from, to });
  const events = pages.data?.pages.flatMap((p) => p.events) ?? [];
  const tools = (
    <div className="flex flex-wrap gap-2">
      <select className="input w-auto" aria-label="Which checks" value={filter} onChange={(e) => setFilter(e.target.value)}>
        <option value="all">All checks</option><option value="failed">Failed</option><option value="unobserved">Not observed</option>
      </select>
      {events.length > 0 && <Export name={`checks-of-monitor-${monitorId}`} what="the checks that are shown" {...tableOf(eventColumns, events)} />}
    </div>
  );
  return (
    <Section title="Checks" tools={tools}>
      <Failure error={pages.error} retry={() => void pages.refetch()} />
      {pages.isPending && <Waiting rows={5} className="h-9" />}
      {pages.isSuccess && events.length === 0 && <Empty title={filter === "all" && !region && !from ? "No checks yet" : "None"} />}
      {events.length > 0 && (
        <table className="data-table">
          <thead><tr><th scope="col">When</th><th scope="col">Outcome</th><th scope="col" className="num">Time</th><th scope="col" className="max-sm:hidden">Code</th><th scope="col" className="max-md:hidden">From</th><th scope="col" className="max-sm:hidden">What was wrong</th></tr></thead>
          <tbody>{events.map((event) => <Row key={event.event_id} event={event} onOpen={() => setOpen(event)} />)}</tbody>
        </table>
      )}
      {pages.hasNextPage && <p className="mt-3 text-center"><button type="button" className="button" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>Older</button></p>}
      {open && <Dialog kind="side" title={<>Check of <Moment at={open.scheduled_at ?? open.timestamp} /></>} onClose={() => setOpen(null)}><EventDetails event={open} /></Dialog>}
    </Section>
  );
}

function Row({ event, onOpen }: { event: CheckEvent; onOpen(): void }) {
  const tone = resultTone(event.status);
  const wrong = [event.error_message, ...(event.validation_errors ?? [])].filter(Boolean).join(" ");
  const ink = { up: "text-up", down: "text-down", unknown: "text-unknown" }[tone];
  return (
    <tr className="hover:bg-raised">
      <td className="whitespace-nowrap"><button type="button" className="link" onClick={onOpen}><Moment at={event.scheduled_at ?? event.timestamp} /></button></td>
      <td className={`font-medium ${ink}`}>
        <span className="inline-flex items-center gap-1.5 whitespace-nowrap"><StatusShape status={tone} size={13} />{resultWord(event.status)}{event.missed_count > 1 && ` ×${event.missed_count}`}</span>
        {wrong && <span className="block text-sm font-normal text-ink-2 sm:hidden">{errorWords(event.error_type) || wrong}</span>}
      </td>
      <td className="num">{event.status === "missed" ? "–" : millis(event.response_time_us / 1000)}</td>
      <td className="max-sm:hidden">{event.status_code ?? "–"}</td>
      <td className="whitespace-nowrap max-md:hidden">{event.region}</td>
      <td className="max-sm:hidden">{wrong || "–"}</td>
    </tr>
  );
}
