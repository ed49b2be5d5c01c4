import { zodResolver } from "@hookform/resolvers/zod";
import { useId, useState } from "react";
import { type FieldPath, useForm } from "react-hook-form";
import { useChangeMaintenanceWindow } from "@/api/maintenance";
import { Refusal } from "@/api/refusal";
import type { MaintenanceWindow, Monitor } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { AreaField, SelectField, TextField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { placeRefusal } from "@/components/refuse";
import { useNow } from "@/live/useNow";
import { MonitorPicker } from "../components/MonitorPicker";
import { nextOccurrences, type Schedule } from "./occurrences";
import { kinds, toSchedule, toWindow, toWindowValues, windowField, windowSchema, type WindowValues } from "./windowForm";

/** Adds a window, of the monitor about if one is given, or changes one. What was read when it was opened is what is changed. */
export function WindowForm({ monitors, window: read, about, onClose }: { monitors: readonly Monitor[]; window?: MaintenanceWindow; about?: number; onClose(): void }) {
  const [window] = useState(read);
  const [opened] = useState(() => Date.now());
  const form = useForm<WindowValues>({ resolver: zodResolver(windowSchema), defaultValues: { ...toWindowValues(opened, window), ...(about !== undefined ? { monitor_ids: [about] } : {}) } });
  const { register, watch, setValue, setError, handleSubmit, formState: { errors } } = form;
  const change = useChangeMaintenanceWindow();
  const [general, setGeneral] = useState<unknown>(null);
  const zones = useId();
  const now = watch();
  const again = now.kind !== "once";
  const schedule = toSchedule(now, opened, window);
  const field = (name: FieldPath<WindowValues>) => ({ ...register(name), error: errors[name as keyof WindowValues]?.message as string | undefined });
  const submit = handleSubmit(async (values) => {
    setGeneral(null);
    try {
      await change.mutateAsync({ draft: toWindow(values, opened, window), window });
      onClose();
    } catch (error) {
      if (error instanceof Refusal && error.status === 412) setGeneral(new Error("Somebody changed this window since you opened it. Close the form to see the change; what you typed is lost then."));
      else setGeneral(placeRefusal(error, (path) => windowField(values.kind, path), setError));
    }
  });
  return (
    <Dialog kind="wide" title={window ? `Edit “${window.name}”` : "Add a maintenance window"} onClose={onClose}>
      <form noValidate className="grid gap-4 *:min-w-0" onSubmit={submit}>
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField label="Name" placeholder="Maintenance" autoComplete="off" {...field("name")} />
          <SelectField label="How often" {...field("kind")}>{kinds.map(([value, word]) => <option key={value} value={value}>{word}</option>)}</SelectField>
          {now.kind === "rrule" && <TextField className="sm:col-span-2" label="Rule" hint="RFC 5545, such as FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30" autoComplete="off" spellCheck={false} {...field("rrule")} />}
          {now.kind === "cron" && <TextField className="sm:col-span-2" label="Cron" hint="Minute, hour, day of month, month, day of week; seconds may stand last." autoComplete="off" spellCheck={false} {...field("cron")} />}
          <TextField label={again ? (now.kind === "cron" ? "Not before" : "First time") : "From"} type="datetime-local" {...field("from")} />
          {again ? <TextField label="Lasts" hint="Such as 1 h 30 min." autoComplete="off" {...field("length")} /> : <TextField label="To" type="datetime-local" {...field("to")} />}
          {again && (
            <>
              <TextField label="Time zone" list={zones} hint="On whose clock it begins." autoComplete="off" spellCheck={false} {...field("zone")} />
              <datalist id={zones}>{Intl.supportedValuesOf("timeZone").map((z) => <option key={z} value={z} />)}</datalist>
            </>
          )}
          {again && <Preview schedule={schedule} />}
        </div>
        <MonitorPicker legend="Monitors" monitors={monitors} chosen={new Set(now.monitor_ids)} error={errors.monitor_ids?.message} onChange={(ids) => setValue("monitor_ids", [...ids], { shouldValidate: Boolean(errors.monitor_ids) })} />
        <TextField label="And all with these labels" placeholder="team=web, env=prod" hint="A monitor must have all of them." autoComplete="off" {...field("labels")} />
        <AreaField label="Notes" rows={2} {...field("description")} />
        {general !== null && <Failure error={general} />}
        <div className="sticky bottom-0 -mx-5 -mb-4 flex justify-end gap-2 border-t border-line bg-card px-5 py-3">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-main" disabled={change.isPending}>{window ? "Save" : "Add window"}</button>
        </div>
      </form>
    </Dialog>
  );
}

/** The next five occurrences of what stands in the form, on the clock of its zone. */
function Preview({ schedule }: { schedule: Schedule | undefined }) {
  const now = useNow();
  // The minute is enough, and spares the work of every second.
  const [text, wrong] = sayNext(schedule, Math.floor(now / 60_000) * 60_000);
  return (
    <div className="min-w-0" aria-live="polite">
      <p className="mb-1 font-medium">Next five</p>
      {wrong ? <p className="text-sm text-ink-2">{wrong}</p> : <ol className="text-sm tabular-nums" data-testid="next">{text.map((t) => <li key={t}>{t}</li>)}</ol>}
    </div>
  );
}

function sayNext(schedule: Schedule | undefined, now: number): [string[], string | undefined] {
  if (!schedule) return [[], "They are shown as soon as all else is right."];
  try {
    const next = nextOccurrences(schedule, now);
    const day = new Intl.DateTimeFormat(undefined, { timeZone: schedule.zone, weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
    const time = new Intl.DateTimeFormat(undefined, { timeZone: schedule.zone, hour: "2-digit", minute: "2-digit" });
    return next.length ? [next.map((o) => `${day.format(o.start)} to ${schedule.length < 86_400_000 ? time.format(o.end) : day.format(o.end)}`), undefined] : [[], "It never begins in the next twelve years."];
  } catch (error) {
    return [[], error instanceof Error ? error.message : String(error)];
  }
}
