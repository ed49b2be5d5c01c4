import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import { useState } from "react";
import { type FieldPath, useForm } from "react-hook-form";
import { useGetRegions } from "@/api/probers";
import type { Draft, Monitor, ParsedResource } from "@/api/types";
import { testMonitor } from "@/api/uptime/monitors";
import { useGetMonitors } from "@/api/uptime/useGetMonitors";
import { AreaField, CheckField, SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { Section } from "@/components/Page";
import { placeRefusal } from "@/components/refuse";
import { millis } from "@/format/duration";
import { announce } from "@/live/announce";
import { CurlImport } from "./CurlImport";
import type { FromCurl } from "./curl";
import { defaultName, emptyForm, formField, formSchema, type FormValues, methods, otherRules, toForm, toMonitor } from "./monitorForm";
import { MonitorPicker } from "./MonitorPicker";
import { TrialResult } from "./TrialResult";
import { worstCase } from "./worstCase";
import { YamlImport } from "./YamlImport";

const kinds = [
  ["http", "Web address", "HTTP(S): status, body, headers"],
  ["tcp", "Port", "TCP: it accepts connections"],
  ["tls", "Certificate", "TLS: valid, and for how long"],
] as const;
const authWords: Record<string, string> = { none: "None", basic: "User name and password", bearer: "Bearer token", api_key: "Header with a key" };

interface Props {
  /** What a new monitor is filled in from, with all that it says. */
  like?: Monitor;
  /** The monitor that is changed; absent for a new one. */
  monitor?: Monitor;
  word: string;
  /** Saves; what it throws is shown, at the field if it names one. */
  save(draft: Draft<Monitor>): Promise<void>;
  onCancel(): void;
}

/** The one form for monitors of every kind. */
export function MonitorForm({ monitor, like, word, save, onCancel }: Props) {
  const begin = monitor ?? like;
  const form = useForm<FormValues>({ resolver: zodResolver(formSchema), defaultValues: begin ? toForm(begin) : emptyForm });
  const { register, watch, setError, handleSubmit, formState } = form;
  const { errors, isSubmitting } = formState;
  const [general, setGeneral] = useState<unknown>(null);
  const [importing, setImporting] = useState<"curl" | "yaml">();
  const [taken, setTaken] = useState<string[]>();
  // What a file says and the form has no field for goes with the rest.
  const [imported, setImported] = useState(like);
  const trial = useMutation({ mutationFn: testMonitor });
  const regions = useGetRegions();
  const others = (useGetMonitors().data ?? []).filter((m) => m.id !== monitor?.id);
  const kind = watch("monitor_type");
  const auth = watch("auth_type");
  const http = kind === "http";
  const hasBody = ["POST", "PUT", "PATCH", "DELETE"].includes(watch("method"));
  const carried = imported?.monitor_type === kind ? imported : undefined;
  const base = monitor ?? carried;
  const kept = otherRules(base?.validation_rules);
  const delay = worstCase(watch(), base);
  const field = (name: FieldPath<FormValues>) => ({ ...register(name), error: errors[name as keyof FormValues]?.message as string | undefined });

  async function run(work: (draft: Draft<Monitor>) => Promise<unknown>, values: FormValues) {
    setGeneral(null);
    try {
      await work(toMonitor(values, monitor, carried));
    } catch (error) {
      setGeneral(placeRefusal(error, formField, setError));
    }
  }

  const tryOut = handleSubmit((values) => run(async (draft) => { announce("Checking"); const event = await trial.mutateAsync(draft); announce(event.status === "success" ? "It worked" : "It did not work"); }, values));

  /** Fills in what a curl command says; what it does not say stays. */
  function fill({ values, ignored }: FromCurl) {
    for (const [name, value] of Object.entries(values)) form.setValue(name as keyof FormValues, value as never, { shouldDirty: true });
    setTaken(ignored);
    setImporting(undefined);
  }

  /** Fills in what a file says of a check, and the defaults for what it does not. */
  function take({ monitor: said, notes }: ParsedResource) {
    if (!said) return;
    form.reset(toForm(said));
    setImported(said);
    setTaken(notes.map((n) => `${n.path}: ${n.message}`));
    setImporting(undefined);
  }

  return (
    <>
    <form noValidate className="grid gap-4 *:min-w-0" onSubmit={handleSubmit((values) => run(save, values))}>
      <Section title="What to check" tools={!monitor && <div className="flex flex-wrap gap-2"><button type="button" className="button button-small" onClick={() => setImporting("curl")}>From a curl command</button><button type="button" className="button button-small" onClick={() => setImporting("yaml")}>From YAML</button></div>}>
        {taken && <div className="mb-4"><Taken left={taken} /></div>}
        <fieldset disabled={Boolean(monitor)}>
          <legend className="sr-only">Kind</legend>
          <div className="grid gap-2 sm:grid-cols-3">
            {kinds.map(([value, title, about]) => (
              <label key={value} className={`flex gap-2.5 rounded-lg border border-line-strong p-3 has-checked:border-accent has-checked:bg-up-soft has-focus-visible:outline-3 has-focus-visible:outline-focus ${monitor ? "not-has-checked:hidden" : "cursor-pointer"}`}>
                <input type="radio" value={value} className="check mt-0.5" {...register("monitor_type")} />
                <span className="min-w-0"><b className="block font-semibold">{title}</b><span className="text-sm text-ink-2">{about}</span></span>
              </label>
            ))}
          </div>
        </fieldset>
        <div className="mt-4 grid gap-4 sm:grid-cols-4">
          {http ? (
            <>
              <TextField className="sm:col-span-3" label="URL" type="url" inputMode="url" placeholder="https://example.com/" autoComplete="off" spellCheck={false} {...field("url")} />
              <SelectField label="Method" {...field("method")}>{methods.map((m) => <option key={m}>{m}</option>)}</SelectField>
            </>
          ) : (
            <>
              <TextField className="sm:col-span-3" label="Host" placeholder="db.example.com" hint="A name or an address, not a URL." autoComplete="off" spellCheck={false} {...field("host")} />
              <TextField label="Port" inputMode="numeric" placeholder={kind === "tls" ? "443" : ""} {...field("port")} />
            </>
          )}
          <TextField className="sm:col-span-4" label="Name" placeholder={defaultName({ monitor_type: kind, url: watch("url"), host: watch("host"), port: watch("port") })} hint="Left empty, it is called by its address." autoComplete="off" {...field("name")} />
        </div>
      </Section>

      <Section title="When it is well">
        <div className="grid gap-4 sm:grid-cols-2">
          {http && <TextField label="Expected status codes" placeholder="200 to 399" hint="Separated by commas; empty means 200 to 399." {...field("status_codes")} />}
          {http && <TextField label="The body contains" hint="Empty means anything." {...field("contains")} />}
          {kind === "tls" && <TextField label="Fails when it expires within … days" inputMode="numeric" {...field("certificate_days")} />}
          <TextField label="Slow above … ms" inputMode="numeric" placeholder="never" hint="A success that takes longer counts as degraded." {...field("degraded_above_ms")} />
          <TextField label="Give up after … ms" inputMode="numeric" {...field("timeout_ms")} />
        </div>
        {kept.length > 0 && <p className="mt-3 text-sm text-ink-2">{kept.length === 1 ? "One more rule is" : `${kept.length} more rules are`} kept as {kept.length === 1 ? "it is" : "they are"}: {kept.map((r) => [r.type, r.path ?? r.header, r.operator, JSON.stringify(r.value)].filter(Boolean).join(" ")).join("; ")}</p>}
      </Section>

      <Section title="When and from where">
        <div className="grid gap-4 sm:grid-cols-3">
          <TextField label="Check every … seconds" inputMode="numeric" hint={base?.cron ? `Left empty, it runs by ${base.cron}.` : "1 to 86400"} {...field("interval_seconds")} />
          <TextField label="Down after … failures" inputMode="numeric" hint="In a row; the second comes soon after the first." {...field("confirm_down")} />
          <TextField label="Up after … successes" inputMode="numeric" {...field("confirm_up")} />
        </div>
        {delay !== undefined && <p role="status" className="mt-3 text-sm text-ink-2">An alert comes at most {millis(delay)} after a failure begins.</p>}
        {(regions.data?.length ?? 0) > 1 && (
          <fieldset className="mt-4">
            <legend className="mb-1 font-medium">Regions</legend>
            <div className="flex flex-wrap gap-x-6">{regions.data!.map((r) => <CheckField key={r.code} label={r.name || r.code} value={r.code} {...register("regions")} />)}</div>
            {errors.regions && <p className="text-sm font-medium text-down">{errors.regions.message}</p>}
          </fieldset>
        )}
        {others.length > 0 && (
          <div className="mt-4 grid gap-1">
            <MonitorPicker legend="Depends on" monitors={others} chosen={new Set(watch("depends_on"))} error={errors.depends_on?.message} onChange={(ids) => form.setValue("depends_on", [...ids], { shouldDirty: true, shouldValidate: Boolean(errors.depends_on) })} />
            <p className="text-sm text-ink-2">While one of these is down, nobody is told that this one is too.</p>
          </div>
        )}
        <TextField className="mt-4" label="Labels" placeholder="team=web, env=prod" hint="For filters, channels and maintenance windows." {...field("labels")} />
      </Section>

      {http && (
        <details className="card group p-4 sm:p-5" open={taken ? true : undefined}>
          <summary className="font-semibold">Request: headers, sign-in, redirects</summary>
          <div className="mt-4 grid gap-4 sm:grid-cols-2">
            <AreaField className="sm:col-span-2" label="Headers" placeholder="Accept: application/json" hint="One “Name: value” per line." spellCheck={false} {...field("headers")} />
            {hasBody && <AreaField className="sm:col-span-2" label="Body" spellCheck={false} {...field("body")} />}
            <SelectField label="Sign-in" hint={monitor?.http_config?.auth?.has_credentials ? "Credentials are stored; left empty they stay as they are." : undefined} {...field("auth_type")}>
              {!(auth in authWords) && <option value={auth}>{auth} (kept as it is)</option>}
              {Object.entries(authWords).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
            </SelectField>
            {auth === "basic" && <TextField label="User name" autoComplete="off" {...field("username")} />}
            {auth === "api_key" && <TextField label="Header" placeholder="X-Api-Key" autoComplete="off" {...field("header_name")} />}
            {auth in authWords && auth !== "none" && <TextField label={auth === "basic" ? "Password" : auth === "bearer" ? "Token" : "Key"} type="password" autoComplete="new-password" {...field("secret")} />}
            <div className="sm:col-span-2"><CheckField label="Follow redirects" {...register("follow_redirects")} /></div>
          </div>
        </details>
      )}

      {general !== null && <Failure error={general} />}
      {formState.submitCount > 0 && Object.keys(errors).length > 0 && <Notice tone="down" title="Something above is not right yet." />}
      {trial.isPending && <Notice title="Checking…" />}
      {!trial.isPending && trial.data && <TrialResult event={trial.data} />}

      <div className="sticky bottom-[calc(3.6rem+env(safe-area-inset-bottom))] z-20 -mx-3 flex flex-wrap justify-end gap-2 border-t border-line bg-paper px-3 py-3 sm:-mx-4 sm:px-4 lg:bottom-0">
        <button type="button" className="button button-plain mr-auto max-sm:hidden" onClick={onCancel}>Cancel</button>
        <button type="button" className="button" onClick={tryOut} disabled={trial.isPending || isSubmitting}><FlaskConical className="size-4" aria-hidden />Try it now</button>
        <button type="submit" className="button button-main" disabled={isSubmitting}>{word}</button>
      </div>
    </form>
    {importing === "curl" && <CurlImport onTaken={fill} onClose={() => setImporting(undefined)} />}
    {importing === "yaml" && <YamlImport onTaken={take} onClose={() => setImporting(undefined)} />}
    </>
  );
}

/** Says that the form was filled in, and what of it could not be. */
function Taken({ left }: { left: string[] }) {
  if (left.length === 0) return <Notice tone="up" title="Filled in." />;
  return <Notice tone="degraded" title="Filled in, except for what a check does not have:"><ul>{left.map((l) => <li key={l} className="[overflow-wrap:anywhere]">{l}</li>)}</ul></Notice>;
}
