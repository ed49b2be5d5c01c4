import type { CheckEvent } from "@/api/types";
import { millis } from "@/format/duration";

interface Bar { word: string; ms: number; fill: string }

const phases: [keyof CheckEvent, string, string][] = [
  ["dns_time_us", "Name", "fill-phase-dns"], ["tcp_time_us", "Connect", "fill-phase-tcp"], ["tls_time_us", "TLS", "fill-phase-tls"],
  ["ttfb_us", "Wait", "fill-phase-wait"], ["transfer_time_us", "Transfer", "fill-phase-load"],
];

/** The phases that happened, in order; one that did not is left out, never drawn as nothing. */
export function phaseBars(event: CheckEvent): Bar[] {
  return phases.flatMap(([field, word, fill]) => {
    const us = event[field] as number | null | undefined;
    return us === null || us === undefined ? [] : [{ word, ms: us / 1000, fill }];
  });
}

/** Where the time of a check went: each phase begins where the one before ended. */
export function Waterfall({ event }: { event: CheckEvent }) {
  const bars = phaseBars(event);
  if (bars.length === 0) return <p className="text-sm text-ink-2">No phase was measured.</p>;
  const total = Math.max(bars.reduce((sum, b) => sum + b.ms, 0), event.response_time_us / 1000) || 1;
  let at = 0;
  return (
    <dl className="grid gap-1.5">
      {bars.map((bar) => {
        const start = at;
        at += bar.ms;
        return (
          <div key={bar.word} className="grid grid-cols-[4.6rem_minmax(0,1fr)_4.2rem] items-center gap-2.5">
            <dt className="text-sm">{bar.word}</dt>
            <dd className="col-start-3 row-start-1 num text-sm">{millis(bar.ms)}</dd>
            <dd className="col-start-2 row-start-1" aria-hidden>
              <svg viewBox="0 0 100 8" preserveAspectRatio="none" className="block h-3 w-full">
                <rect width="100" height="8" rx="1" className="fill-raised" />
                <rect x={(start / total) * 100} width={Math.max((bar.ms / total) * 100, 0.7)} height="8" rx="1" className={bar.fill} />
              </svg>
            </dd>
          </div>
        );
      })}
      <div className="grid grid-cols-[4.6rem_minmax(0,1fr)_4.2rem] gap-2.5 border-t border-line pt-1.5 font-semibold"><dt className="text-sm">In all</dt><dd className="col-start-3 num text-sm">{millis(event.response_time_us / 1000)}</dd></div>
    </dl>
  );
}
