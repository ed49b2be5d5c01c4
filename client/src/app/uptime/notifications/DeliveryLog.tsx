import { CircleCheck, CircleDashed, CircleSlash, OctagonX } from "lucide-react";
import { useState } from "react";
import { useGetAttempts, useGetChannels, useGetDeliveries, useReplayDelivery } from "@/api/notifications";
import { useCanEdit } from "@/api/session";
import type { Delivery, DeliveryState } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { Failure } from "@/components/Notice";
import { Empty, Waiting } from "@/components/Page";
import { Moment } from "@/components/Time";
import { millis } from "@/format/duration";

const states: Record<DeliveryState, { word: string; icon: typeof CircleCheck; ink: string }> = {
  pending: { word: "Under way", icon: CircleDashed, ink: "text-ink-2" }, delivered: { word: "Delivered", icon: CircleCheck, ink: "text-up" },
  dead: { word: "Given up", icon: OctagonX, ink: "text-down" }, superseded: { word: "Overtaken", icon: CircleSlash, ink: "text-ink-2" },
};

/** Messages, newest first; those that were given up can be sent again. */
export function DeliveryLog({ state }: { state?: DeliveryState }) {
  const pages = useGetDeliveries(state);
  const channels = useGetChannels().data ?? [];
  const [open, setOpen] = useState<Delivery | null>(null);
  const deliveries = pages.data?.pages.flatMap((p) => p.deliveries) ?? [];
  const names = new Map(channels.map((c) => [c.id, c.name ?? ""]));
  return (
    <>
      <Failure error={pages.error} retry={() => void pages.refetch()} />
      {pages.isPending && <Waiting rows={3} className="h-12" />}
      {pages.isSuccess && (
        <div className="card px-4">
          {deliveries.length === 0 ? <Empty title={state === "dead" ? "Nothing was given up" : "Nothing was sent yet"} /> : <ul className="divide-y divide-line">{deliveries.map((d) => <DeliveryRow key={d.id} delivery={d} to={d.channel_id ? (names.get(d.channel_id) ?? `channel ${d.channel_id}`) : `alert rule ${d.alert_id}`} onOpen={() => setOpen(d)} />)}</ul>}
        </div>
      )}
      {pages.hasNextPage && <p className="mt-3 text-center"><button type="button" className="button" onClick={() => void pages.fetchNextPage()}>Older</button></p>}
      {open && <Dialog kind="side" title={`Attempts of ${open.type}`} onClose={() => setOpen(null)}><Attempts id={open.id} /></Dialog>}
    </>
  );
}

function DeliveryRow({ delivery, to, onOpen }: { delivery: Delivery; to: string; onOpen(): void }) {
  const canEdit = useCanEdit();
  const replay = useReplayDelivery();
  const { word, icon: Icon, ink } = states[delivery.state ?? "pending"];
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-1.5 py-3">
      <p className={`flex w-28 items-center gap-1.5 font-semibold ${ink}`}><Icon className="size-4" aria-hidden />{word}</p>
      <div className="min-w-0 flex-[1_1_14rem]">
        <p><button type="button" className="link" onClick={onOpen}>{delivery.type}</button> to {to}</p>
        <p className="text-sm text-ink-2"><Moment at={delivery.created_at} /> · {delivery.attempts} {delivery.attempts === 1 ? "attempt" : "attempts"}{delivery.state === "pending" && delivery.next_attempt_at && <> · next <Moment at={delivery.next_attempt_at} /></>}</p>
        {delivery.last_error && delivery.state !== "delivered" && <p className="text-sm">{delivery.last_error}</p>}
        <Failure error={replay.error} />
      </div>
      {canEdit && delivery.state === "dead" && <button type="button" className="button button-small" disabled={replay.isPending} onClick={() => replay.mutate(delivery.id)}>Send again<span className="sr-only"> {delivery.type} to {to}</span></button>}
    </li>
  );
}

function Attempts({ id }: { id: string }) {
  const attempts = useGetAttempts(id);
  if (attempts.isPending) return <Waiting rows={2} />;
  if (attempts.error) return <Failure error={attempts.error} />;
  if (attempts.data.attempts.length === 0) return <Empty title="None yet" />;
  return (
    <ol className="divide-y divide-line">
      {attempts.data.attempts.map((a) => (
        <li key={a.number} className="py-3">
          <p className="font-medium">{a.number}. <Moment at={a.at} /> · {a.status_code ? `status ${a.status_code}` : "no answer"} · {millis(a.latency_ms)}</p>
          {a.error && <p className="text-down">{a.error}</p>}
          {a.response_excerpt && <pre className="mt-1 overflow-x-auto rounded bg-raised p-2 font-mono text-xs whitespace-pre-wrap">{a.response_excerpt}</pre>}
        </li>
      ))}
    </ol>
  );
}
