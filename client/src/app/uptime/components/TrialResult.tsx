import type { CheckEvent } from "@/api/types";
import { Notice } from "@/components/Notice";
import { millis } from "@/format/duration";
import { errorWords, resultTone } from "@/format/status";
import { Waterfall } from "./Waterfall";

/** What came of trying a configuration that is not saved. */
export function TrialResult({ event }: { event: CheckEvent }) {
  const good = event.status === "success";
  const where = [event.status_code && `status ${event.status_code}`, event.resolved_ip, event.tls_version && `TLS ${event.tls_version}`].filter(Boolean).join(" · ");
  const tone = { up: "up", down: "down", unknown: "degraded" } as const;
  return (
    <Notice tone={tone[resultTone(event.status)]} title={good ? `It worked in ${millis(event.response_time_us / 1000)}` : `It did not work: ${errorWords(event.error_type)}`}>
      {where && <p className="text-sm text-ink-2">{where}</p>}
      {event.error_message && <p className="mt-1">{event.error_message}</p>}
      {event.validation_errors?.map((e) => <p key={e} className="mt-1">{e}</p>)}
      <div className="mt-3 max-w-lg"><Waterfall event={event} /></div>
    </Notice>
  );
}
