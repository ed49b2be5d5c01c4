import { ago, moment, span } from "@/format/duration";
import { fullMoment, useZoneChoice } from "@/format/zone";
import { useNow } from "@/live/useNow";

/** How long ago a moment was, as time goes by. */
export function TimeAgo({ at }: { at: string | null | undefined }) {
  const now = useNow();
  useZoneChoice();
  return at ? <time dateTime={at} title={fullMoment(at)}>{ago(at, now)}</time> : <span>never</span>;
}

/** A moment on the reader's clock. */
export function Moment({ at }: { at: string | null | undefined }) {
  useZoneChoice();
  return at ? <time dateTime={at} title={fullMoment(at)} className="whitespace-nowrap">{moment(at)}</time> : <span>–</span>;
}

/** For how long something has lasted. */
export function Lasting({ since }: { since: string }) {
  const now = useNow();
  return <span className="whitespace-nowrap tabular-nums">{span((now - Date.parse(since)) / 1000)}</span>;
}
