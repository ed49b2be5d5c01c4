import { type FormEvent, useState } from "react";
import { useCreateMaintenanceWindow } from "@/api/maintenance";
import { Refusal } from "@/api/refusal";
import type { Draft, MaintenanceWindow, Monitor } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { CheckField, SelectField, TextField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { target } from "@/format/status";

/** A moment as an input of the kind datetime-local takes it, on the reader's clock. */
function local(ms: number): string {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const rules: [string, string][] = [["", "Once"], ["FREQ=DAILY", "Every day"], ["FREQ=WEEKLY", "Every week"], ["FREQ=MONTHLY", "Every month"]];
const MANY = 30;

/** Adds a window, once or again and again from its first time on. */
export function WindowForm({ monitors, onClose }: { monitors: Monitor[]; onClose(): void }) {
  const create = useCreateMaintenanceWindow();
  const [opened] = useState(() => Date.now());
  const [v, setV] = useState({ name: "", labels: "", from: local(opened), to: local(opened + 3_600_000), rule: "", words: "" });
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const wrong = create.error instanceof Refusal ? create.error.fields : new Map<string, string>();
  const set = (name: keyof typeof v) => (e: { target: { value: string } }) => setV((old) => ({ ...old, [name]: e.target.value }));
  const found = monitors.filter((m) => chosen.has(m.id) || `${m.name} ${target(m)}`.toLowerCase().includes(v.words.toLowerCase())).slice(0, MANY);

  const submit = (e: FormEvent) => {
    e.preventDefault();
    const from = Date.parse(v.from);
    const to = Date.parse(v.to);
    const draft: Draft<MaintenanceWindow> = {
      name: v.name.trim() || "Maintenance", monitor_ids: [...chosen], labels: v.labels.split(",").map((l) => l.trim()).filter(Boolean),
      // A time that is already here means now: what began a minute ago would be told of the past.
      ...(from > Date.now() ? { starts_at: new Date(from).toISOString() } : {}),
    };
    if (v.rule) Object.assign(draft, { rrule: v.rule, timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, duration_seconds: Math.round((to - from) / 1000) });
    else Object.assign(draft, { ends_at: Number.isNaN(to) ? undefined : new Date(to).toISOString() });
    create.mutate(draft, { onSuccess: onClose });
  };

  return (
    <Dialog title="Add a maintenance window" onClose={onClose}>
      <form noValidate className="grid gap-4" onSubmit={submit}>
        <TextField label="Name" placeholder="Maintenance" value={v.name} error={wrong.get("name")} onChange={set("name")} />
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField label="From" type="datetime-local" value={v.from} error={wrong.get("starts_at")} onChange={set("from")} />
          <TextField label="To" type="datetime-local" value={v.to} error={wrong.get("ends_at") ?? wrong.get("duration_seconds")} onChange={set("to")} />
        </div>
        <SelectField label="How often" value={v.rule} error={wrong.get("rrule")} onChange={set("rule")}>{rules.map(([value, word]) => <option key={value} value={value}>{word}</option>)}</SelectField>
        <fieldset className="min-w-0"><legend className="mb-1 font-medium">Monitors</legend>
          {monitors.length > 8 && <input className="input mb-2" type="search" aria-label="Find monitors" placeholder="Name or address" value={v.words} onChange={set("words")} />}
          <div className="max-h-48 overflow-y-auto rounded-lg border border-line px-3 py-1.5">
            {found.map((m) => <CheckField key={m.id} label={m.name} checked={chosen.has(m.id)} onChange={(e) => setChosen((old) => { const next = new Set(old); if (e.target.checked) next.add(m.id); else next.delete(m.id); return next; })} />)}
          </div>
          {wrong.get("monitor_ids") && <p className="mt-1 text-sm font-medium text-down">{wrong.get("monitor_ids")}</p>}
        </fieldset>
        <TextField label="And all with these labels" placeholder="team=web, env=prod" hint="A monitor must have all of them." value={v.labels} error={wrong.get("labels")} onChange={set("labels")} />
        <Failure error={create.error} />
        <div className="flex justify-end gap-2"><button type="button" className="button" onClick={onClose}>Cancel</button><button type="submit" className="button button-main" disabled={create.isPending}>Add window</button></div>
      </form>
    </Dialog>
  );
}
