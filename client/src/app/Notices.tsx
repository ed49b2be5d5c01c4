import { useOpenNotices } from "@/api/notices";
import { useIsAdmin } from "@/api/session";
import { Notice } from "@/components/Notice";
import { TimeAgo } from "@/components/Time";

/** What is wrong with this installation itself: monitors may be unknown because of it, and nobody else would say so. */
export function Notices() {
  const open = useOpenNotices(useIsAdmin()).data ?? [];
  if (open.length === 0) return null;
  return (
    <div className="mb-4 grid gap-2">
      {open.map((notice) => (
        <Notice key={notice.id} tone="degraded" title={<>{notice.message} <span className="font-normal text-ink-2">· since <TimeAgo at={notice.started_at} /></span></>} />
      ))}
    </div>
  );
}
