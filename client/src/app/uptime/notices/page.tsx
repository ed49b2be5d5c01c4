import { Link } from "@tanstack/react-router";
import { CircleCheck, TriangleAlert } from "lucide-react";
import { NOTICE_LIMIT, useGetNotices } from "@/api/notices";
import { useIsAdmin } from "@/api/session";
import type { Notice } from "@/api/types";
import { MayNot } from "@/app/MayNot";
import { Failure } from "@/components/Notice";
import { Empty, PageHead, Waiting } from "@/components/Page";
import { Lasting, Moment } from "@/components/Time";
import { span } from "@/format/duration";
import { sayNotice } from "./noticeWords";

/** Troubles of this installation itself: those that last first, then those that are over. */
export default function NoticesPage() {
  return useIsAdmin() ? <All /> : <MayNot what="read the notices of this installation" who="admins and owners" />;
}

function All() {
  const notices = useGetNotices(true);
  const all = notices.data ?? [];
  const open = all.filter((n) => !n.ended_at);
  const over = all.filter((n) => n.ended_at);
  return (
    <>
      <PageHead title="Notices" about="Trouble of this installation itself, which is never a target’s. A channel that is told of “operator” hears of it." />
      <Failure error={notices.error} retry={() => void notices.refetch()} />
      {notices.isPending && <Waiting rows={2} />}
      {notices.isSuccess && all.length === 0 && <div className="card"><Empty title="No trouble">Nothing is wrong with this installation, and nothing was in the last 90 days.</Empty></div>}
      {all.length > 0 && (
        <div className="grid gap-4 *:min-w-0">
          <Part title="Now" empty="Nothing lasts now." notices={open} />
          {over.length > 0 && <Part title="Over" notices={over} />}
          {all.length >= NOTICE_LIMIT && <p className="text-sm text-ink-2">These are the newest {NOTICE_LIMIT}; there may be older ones.</p>}
        </div>
      )}
    </>
  );
}

function Part({ title, empty, notices }: { title: string; empty?: string; notices: Notice[] }) {
  return (
    <section aria-label={title} className="card px-4 pt-4 sm:px-5">
      <h2>{title}</h2>
      {notices.length === 0 ? <p className="pt-1 pb-4 text-ink-2">{empty}</p> : <ul className="divide-y divide-line">{notices.map((n) => <Row key={n.id} notice={n} />)}</ul>}
    </section>
  );
}

function Row({ notice: n }: { notice: Notice }) {
  const said = sayNotice(n.kind);
  const Icon = n.ended_at ? CircleCheck : TriangleAlert;
  return (
    <li className="grid grid-cols-[1.5rem_minmax(0,1fr)] gap-x-2.5 py-3">
      <Icon className={`mt-0.5 size-5 ${n.ended_at ? "text-up" : "text-degraded"}`} aria-hidden />
      <div className="min-w-0">
        <p className="flex flex-wrap items-baseline gap-x-3"><b className="font-semibold">{said.word}</b>{n.subject && <span className="text-ink-2 [overflow-wrap:anywhere]">{n.subject}</span>}</p>
        <p className="text-sm text-ink-2">
          {n.ended_at && n.started_at
            ? <>Over: <Moment at={n.started_at} /> to <Moment at={n.ended_at} />, {span((Date.parse(n.ended_at) - Date.parse(n.started_at)) / 1000)}</>
            : <>Since <Moment at={n.started_at} />{n.started_at && <>, for <Lasting since={n.started_at} /></>}</>}
        </p>
        <p className="mt-1 [overflow-wrap:anywhere]">{n.message}</p>
        {!n.ended_at && said.means && <p className="text-sm text-ink-2">{said.means}</p>}
        {!n.ended_at && said.todo && <p className="text-sm"><span className="font-semibold">What to do:</span> {said.todo} {said.at === "channels" && <Link to="/uptime/notifications" className="link">To the channels</Link>}{said.at === "regions" && <Link to="/uptime/regions" className="link">To the probers</Link>}</p>}
      </div>
    </li>
  );
}
