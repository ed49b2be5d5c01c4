import { CircleCheck, Info, OctagonAlert, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

const tones = {
  up: { icon: CircleCheck, box: "border-up bg-up-soft", ink: "text-up" },
  down: { icon: OctagonAlert, box: "border-down bg-down-soft", ink: "text-down" },
  degraded: { icon: TriangleAlert, box: "border-degraded bg-degraded-soft", ink: "text-degraded" },
  plain: { icon: Info, box: "border-line-strong bg-card", ink: "text-ink-2" },
} as const;

/** A box that says something, with its tone as a drawing beside the colour. Failures are read out at once. */
export function Notice({ tone = "plain", title, children, quiet }: { tone?: keyof typeof tones; title?: ReactNode; children?: ReactNode; quiet?: boolean }) {
  const { icon: Icon, box, ink } = tones[tone];
  return (
    <div className={`flex gap-3 rounded-xl border px-4 py-3 ${box}`} role={quiet ? undefined : tone === "down" ? "alert" : "status"}>
      <Icon className={`mt-0.5 size-5 flex-none ${ink}`} aria-hidden />
      <div className="min-w-0 flex-1">
        {title && <p className="font-semibold">{title}</p>}
        {children}
      </div>
    </div>
  );
}

/** What went wrong with a question or a change. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  if (!error) return null;
  return (
    <Notice tone="down" title={error instanceof Error ? error.message : String(error)}>
      {retry && <button type="button" className="button button-small mt-2" onClick={retry}>Try again</button>}
    </Notice>
  );
}
