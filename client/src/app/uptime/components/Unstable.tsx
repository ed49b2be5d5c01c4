import { ArrowDownUp } from "lucide-react";
import type { Incident } from "@/api/types";
import { Moment } from "@/components/Time";

/** Whether the monitor of the incident goes down and comes up again and again, now. */
export const isUnstable = (incident: Incident) => Boolean(incident.unstable && !incident.unstable.until);

/** That the monitor was, or is, unstable in the course of the incident, and what it is in between; nothing of any other. */
export function Unstable({ incident, className = "" }: { incident: Incident; className?: string }) {
  const { unstable, up_since: up } = incident;
  if (!unstable) return null;
  const changed = `changed ${unstable.changes} times`;
  return (
    <p data-testid="unstable" className={`flex gap-1.5 ${className}`}>
      <ArrowDownUp className="mt-1 size-4 flex-none text-degraded" aria-hidden />
      <span className="min-w-0">
        <b className="font-semibold">{unstable.until ? "It was unstable" : "Unstable"}</b>
        {unstable.until ? <> from <Moment at={unstable.since} /> until <Moment at={unstable.until} />, {changed}.</> : <> since <Moment at={unstable.since} />, {changed}; {up ? <>up since <Moment at={up} /></> : "down now"}.</>}
      </span>
    </p>
  );
}
