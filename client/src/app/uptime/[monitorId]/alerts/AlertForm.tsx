import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { type FieldPath, get, useForm } from "react-hook-form";
import { useChangeAlert } from "@/api/alerts";
import { useGetChannelTypes } from "@/api/notifications";
import type { Alert, Monitor } from "@/api/types";
import { CheckField, SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { placeRefusal } from "@/components/refuse";
import { writeLength } from "@/format/length";
import { announce } from "@/live/announce";
import { channelKinds, offeredKinds } from "../../notifications/channelKinds";
import { ConfigFields } from "../../notifications/ConfigFields";
import { alertField, alertSchema, type AlertValues, readyConditions, severities, toAlert, toAlertValues } from "./alertForm";
import { Backtest } from "./Backtest";
import { type ConditionName, conditionWords, numberNames } from "./conditions";
import { paceOf, worstDelays } from "./delay";

/** Adds a rule to a monitor, or changes one. What was read when it was opened is what is changed. */
export function AlertForm({ monitor, alert: read, onDone }: { monitor: Monitor; alert?: Alert; onDone?(): void }) {
  const [alert] = useState(read);
  const form = useForm<AlertValues>({ resolver: zodResolver(alertSchema), defaultValues: toAlertValues(alert) });
  const { register, watch, reset, setError, handleSubmit, formState: { errors } } = form;
  const change = useChangeAlert(monitor.id);
  const types = useGetChannelTypes().data;
  const [general, setGeneral] = useState<unknown>(null);
  const [secret, setSecret] = useState<string>();
  const now = watch();
  const conditions = readyConditions(now);
  const field = (name: FieldPath<AlertValues>) => ({ ...register(name), error: (get(errors, name) as { message?: string } | undefined)?.message });
  const chosen = (name: ConditionName) => now.on.includes(name);
  const submit = handleSubmit(async (values) => {
    setGeneral(null);
    setSecret(undefined);
    const draft = toAlert(values, alert);
    try {
      const saved = await change.mutateAsync(alert ? { kind: "update", id: alert.id, draft } : { kind: "create", draft });
      const made = (saved?.alert_config as { secret?: string } | null | undefined)?.secret;
      announce(alert ? "Saved" : "The rule was added");
      if (made && made !== "***" && !values.config.secret) setSecret(made);
      if (!alert) reset(toAlertValues());
      onDone?.();
    } catch (error) {
      setGeneral(placeRefusal(error, (path) => alertField(values.type, path), (name, e, options) => setError(name as FieldPath<AlertValues>, e, options)));
    }
  });

  return (
    <form noValidate className="grid gap-5 *:min-w-0" onSubmit={submit}>
      <fieldset className="min-w-0">
        <legend className="mb-1 font-medium">When any of these holds</legend>
        <ul className="divide-y divide-line rounded-lg border border-line px-3">
          {numberNames.map((name) => {
            const w = conditionWords[name];
            return (
              <li key={name} className="grid items-center gap-x-4 py-1.5 sm:grid-cols-2">
                <CheckField label={w.ask} value={name} {...register("on")} />
                {chosen(name) && <div className="max-sm:pl-7"><TextField label={<span className="text-sm font-normal text-ink-2">{w.unit}</span>} inputMode={w.length ? undefined : "decimal"} autoComplete="off" {...field(`values.${name}`)} /></div>}
              </li>
            );
          })}
          <li className="grid gap-2 py-1.5">
            <CheckField label="Many answers are slow: a percentile of a while" value="response_time_percentile" {...register("on")} />
            {chosen("response_time_percentile") && (
              <div className="grid gap-4 pb-1.5 pl-7 sm:grid-cols-3">
                <TextField label="Percentile" hint="50 to 99.9" inputMode="decimal" autoComplete="off" {...field("percentile")} />
                <TextField label="Above … ms" inputMode="numeric" autoComplete="off" {...field("percentile_ms")} />
                <TextField label="Of the last" hint="Such as 15 min." autoComplete="off" {...field("percentile_window")} />
              </div>
            )}
          </li>
        </ul>
        {errors.on && <p className="mt-1 text-sm font-medium text-down"><span aria-hidden>✕ </span>{errors.on.message}</p>}
        {conditions && <Delays monitor={monitor} conditions={conditions} />}
      </fieldset>

      <Backtest monitorId={monitor.id} alertId={alert?.id} conditions={conditions} regions={monitor.regions.length} quorum={monitor.quorum ?? undefined} />

      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField label="How much it matters" {...field("severity")}>{severities.map((s) => <option key={s} value={s}>{s[0]!.toUpperCase() + s.slice(1)}</option>)}</SelectField>
        {alert
          ? <div><p className="mb-1 font-medium">Tell by</p><p className="flex min-h-10 items-center text-ink-2">{channelKinds[now.type]?.word ?? now.type}</p></div>
          : <SelectField label="Tell by" {...field("type")}>{offeredKinds(types).map(([value, k]) => <option key={value} value={value}>{k.word}</option>)}</SelectField>}
        <ConfigFields type={now.type} base={alert?.alert_config} field={field} />
      </div>

      {general !== null && <Failure error={general} />}
      {secret && <Notice tone="up" title="It signs with this secret, shown only this once."><code className="mt-1 block font-mono text-sm break-all select-all">{secret}</code></Notice>}
      <div className="flex justify-end gap-2">
        {alert && <button type="button" className="button" onClick={onDone}>Cancel</button>}
        <button type="submit" className="button button-main" disabled={change.isPending}>{alert ? "Save" : "Add rule"}</button>
      </div>
    </form>
  );
}

/** How long it takes at worst, for each condition that is chosen. */
function Delays({ monitor, conditions }: { monitor: Monitor; conditions: NonNullable<ReturnType<typeof readyConditions>> }) {
  return (
    <ul className="mt-2 grid gap-0.5 text-sm" aria-label="Time to the alert, at worst" data-testid="worst">
      {worstDelays(paceOf(monitor), conditions).map((d) => (
        <li key={d.after + d.why}>{d.seconds === null ? <span className="font-medium text-degraded"><span aria-hidden>△ </span>{d.why}</span> : <>Triggers at most <b className="font-semibold">{writeLength(Math.ceil(d.seconds))}</b> after {d.after}.</>}</li>
      ))}
    </ul>
  );
}
