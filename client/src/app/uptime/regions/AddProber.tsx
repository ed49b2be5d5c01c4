import { zodResolver } from "@hookform/resolvers/zod";
import { useId, useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { useEnrolProber } from "@/api/probers";
import type { ProberEnrolment, Region } from "@/api/types";
import { Copyable } from "@/components/Copyable";
import { Dialog } from "@/components/Dialog";
import { SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { placeRefusal } from "@/components/refuse";
import { Moment } from "@/components/Time";
import { commandHere } from "./regionWords";

// The quick way that zod checks objects needs eval, which the content policy forbids.
z.config({ jitless: true });

const code = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const wrong = "Letters, digits and . _ - between them";
const schema = z.object({
  region: z.string().trim().min(1, "In which region?").max(64, "At most 64 characters").regex(code, wrong),
  id: z.string().trim().max(128, "At most 128 characters").refine((s) => !s || code.test(s), wrong),
  valid_seconds: z.string(),
});
type Values = z.infer<typeof schema>;

/** Makes a token with which one prober may join, and says how. */
export function AddProber({ regions, onClose }: { regions: readonly Region[]; onClose(): void }) {
  const { register, handleSubmit, setError, formState: { errors } } = useForm<Values>({ resolver: zodResolver(schema), defaultValues: { region: "", id: "", valid_seconds: "3600" } });
  const enrol = useEnrolProber();
  const [general, setGeneral] = useState<unknown>(null);
  const known = useId();
  const field = (name: keyof Values) => ({ ...register(name), error: errors[name]?.message });
  const submit = handleSubmit(async ({ region, id, valid_seconds }) => {
    setGeneral(null);
    try {
      await enrol.mutateAsync({ region, ...(id ? { id } : {}), valid_seconds: Number(valid_seconds) });
    } catch (error) {
      setGeneral(placeRefusal(error, (path) => (path in schema.shape ? (path as keyof Values) : undefined), setError));
    }
  });
  if (enrol.data) return <Made made={enrol.data} onClose={onClose} />;
  return (
    <Dialog title="Add a prober" onClose={onClose}>
      <form noValidate className="grid gap-4 *:min-w-0" onSubmit={submit}>
        <TextField label="Region" list={known} hint="Where it stands. A new name makes a new region." placeholder="eu-west" autoComplete="off" spellCheck={false} {...field("region")} />
        <datalist id={known}>{regions.filter((r) => !r.is_local).map((r) => <option key={r.code} value={r.code} />)}</datalist>
        <TextField label="Name of the prober (optional)" hint="Left empty, it is made from the region." autoComplete="off" spellCheck={false} {...field("id")} />
        <SelectField label="The token is good for" {...field("valid_seconds")}><option value="600">10 minutes</option><option value="3600">an hour</option><option value="86400">a day</option><option value="604800">7 days</option></SelectField>
        {general !== null && <Failure error={general} />}
        <div className="flex flex-wrap justify-end gap-2">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-main" disabled={enrol.isPending}>Make a token</button>
        </div>
      </form>
    </Dialog>
  );
}

function Made({ made, onClose }: { made: ProberEnrolment; onClose(): void }) {
  return (
    <Dialog kind="wide" title={`Let ${made.id} in`} onClose={onClose}>
      <Notice tone="up" title="Keep it now: the token is shown only this once.">It lets one prober into {made.region}, once, until <Moment at={made.expires_at} />.</Notice>
      <Copyable word="Command for its machine" text={commandHere(made.command, location.origin)} />
      <Copyable word="Token alone" text={made.token} />
      <p className="mt-3 text-sm text-ink-2">On a command line others of that machine can read it: a file named by FROGUP_TOKEN_FILE is better. The prober stands here as soon as it has joined.</p>
      <div className="mt-4 flex justify-end"><button type="button" className="button button-main" data-first onClick={onClose}>Done</button></div>
    </Dialog>
  );
}
