import { Link, useRouterState } from "@tanstack/react-router";
import { useOpenNotices } from "@/api/notices";
import { useIsAdmin } from "@/api/session";
import { Notice } from "@/components/Notice";
import { TimeAgo } from "@/components/Time";
import { sayNotice } from "./uptime/notices/noticeWords";

const SHOWN = 2;

/** What is wrong with this installation itself: monitors may be unknown because of it, and nobody else would say so. */
export function Notices() {
  const open = useOpenNotices(useIsAdmin()).data ?? [];
  const there = useRouterState({ select: (s) => s.location.pathname === "/uptime/notices" });
  // The page of notices says them at length.
  if (open.length === 0 || there) return null;
  return (
    <div className="mb-4 grid gap-2">
      {open.slice(0, SHOWN).map((notice) => (
        <Notice key={notice.id} tone="degraded" title={<>{[sayNotice(notice.kind).word, notice.subject].filter(Boolean).join(": ")} <span className="font-normal text-ink-2">· since <TimeAgo at={notice.started_at} /> · <Link to="/uptime/notices" className="link">What to do<span className="sr-only"> about {notice.subject || "it"}</span></Link></span></>}>
          <p className="text-sm max-sm:hidden">{notice.message}</p>
        </Notice>
      ))}
      {open.length > SHOWN && <p className="text-sm"><Link to="/uptime/notices" className="link">and {open.length - SHOWN} more</Link></p>}
    </div>
  );
}
