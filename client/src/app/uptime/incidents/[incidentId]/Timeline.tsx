import { ArrowDown, ArrowUp, CircleAlert, Minus, Send, User } from "lucide-react";
import type { IncidentTimeline } from "@/api/types";
import { Moment } from "@/components/Time";
import { sayEntry, type Tone, withoutRepeats } from "./timelineWords";

const shapes: Record<Tone, { icon: typeof User; look: string }> = {
  down: { icon: ArrowDown, look: "border-down bg-down-soft text-down" },
  up: { icon: ArrowUp, look: "border-up bg-up-soft text-up" },
  degraded: { icon: CircleAlert, look: "border-degraded bg-degraded-soft text-degraded" },
  quiet: { icon: Minus, look: "border-line-strong bg-card text-ink-2" },
  person: { icon: User, look: "border-accent bg-card text-accent" },
  message: { icon: Send, look: "border-line-strong bg-raised text-ink-2" },
};

/** What happened, from above to below. */
export function Timeline({ timeline }: { timeline: IncidentTimeline }) {
  const entries = withoutRepeats(timeline.entries);
  const unstable = entries.some((e) => e.kind === "unstable_began");
  return (
    <>
      <ol className="relative grid gap-4">
        {entries.map((entry, i) => {
          const { tone, title, detail } = sayEntry(entry, unstable);
          const { icon: Icon, look } = shapes[tone];
          return (
            <li key={`${entry.at} ${entry.kind} ${entry.delivery_id ?? entry.note_id ?? entry.alert_id ?? i}`} className="relative grid grid-cols-[1.75rem_minmax(0,1fr)] gap-x-3">
              {i + 1 < entries.length && <span className="absolute top-7 bottom-[-1rem] left-[calc(0.875rem-1px)] w-0.5 bg-line" aria-hidden />}
              <span className={`flex size-7 items-center justify-center rounded-full border ${look}`} aria-hidden><Icon className="size-3.5" /></span>
              <div className="min-w-0 pt-0.5">
                <p className="flex flex-wrap items-baseline gap-x-3"><span className="font-medium">{title}</span><span className="text-sm text-ink-2 tabular-nums"><Moment at={entry.at} /></span></p>
                {detail && <p className={`text-sm text-ink-2 [overflow-wrap:anywhere] ${entry.kind === "note" ? "line-clamp-4 whitespace-pre-wrap" : ""}`}>{detail}</p>}
              </div>
            </li>
          );
        })}
      </ol>
      {timeline.truncated && <p className="mt-4 text-sm text-ink-2">More happened than is shown here: of many messages only the first and the last are.</p>}
    </>
  );
}
