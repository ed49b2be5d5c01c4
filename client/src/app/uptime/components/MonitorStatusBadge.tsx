import type { CurrentStatus } from "@/api/types";
import { statusWord } from "@/format/status";

export const statusInk: Record<CurrentStatus, string> = {
  up: "text-up", degraded: "text-degraded", down: "text-down", unknown: "text-unknown", paused: "text-paused", maintenance: "text-maintenance",
};

// A shape of its own for each state, for people and printers that do not tell the colours apart.
const shapes: Record<CurrentStatus, React.ReactNode> = {
  up: <><circle cx="8" cy="8" r="7" /><path className="mark" d="M4.8 8.3l2.2 2.2 4.2-4.6" /></>,
  degraded: <><path d="M8 1.2 15.2 14H.8z" /><path className="mark" d="M8 6v3.6M8 11.7v.3" /></>,
  down: <><path d="M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2z" /><path className="mark" d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8" /></>,
  unknown: <><circle cx="8" cy="8" r="6.2" className="hollow" /><path className="line" d="M6.2 6.4a1.9 1.9 0 1 1 2.6 1.9c-.5.2-.8.5-.8 1.1M8 11.4v.2" /></>,
  paused: <><rect x="2.5" y="2" width="4" height="12" rx="1" /><rect x="9.5" y="2" width="4" height="12" rx="1" /></>,
  maintenance: <><rect x="1.2" y="1.2" width="13.6" height="13.6" rx="3" /><path className="mark" d="M4.5 8h7M8 4.5v7" /></>,
};

/** The drawing of a state alone; words must stand beside it. */
export function StatusShape({ status, size = 16 }: { status: CurrentStatus; size?: number }) {
  return (
    <svg viewBox="0 0 16 16" width={size} height={size} aria-hidden="true" className={`flex-none fill-current ${statusInk[status]} [&_.hollow]:fill-none [&_.hollow]:stroke-current [&_.hollow]:[stroke-dasharray:2.6_2.2] [&_.hollow]:[stroke-width:1.6] [&_.line]:fill-none [&_.line]:stroke-current [&_.line]:[stroke-linecap:round] [&_.line]:[stroke-width:1.5] [&_.mark]:fill-none [&_.mark]:stroke-card [&_.mark]:[stroke-linecap:round] [&_.mark]:[stroke-linejoin:round] [&_.mark]:[stroke-width:1.9]`}>
      {shapes[status]}
    </svg>
  );
}

/** A state: shape, word and colour say the same. */
export function MonitorStatusBadge({ status }: { status: CurrentStatus }) {
  return <span data-status={status} className={`inline-flex items-center gap-1.5 font-semibold whitespace-nowrap ${statusInk[status]}`}><StatusShape status={status} />{statusWord(status)}</span>;
}
