import { type FormEvent, useState } from "react";
import { useChangeChannel } from "@/api/notifications";
import { Refusal } from "@/api/refusal";
import type { TriggerEvent } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { CheckField, SelectField, TextField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { channelKinds, toConfig } from "./channelKinds";

const events: [TriggerEvent, string][] = [["down", "Something is down"], ["recovery", "It is up again"], ["degraded", "It is degraded"], ["operator", "This installation itself has a trouble"]];

/** Adds a channel. */
export function ChannelForm({ onClose }: { onClose(): void }) {
  const [type, setType] = useState("webhook");
  const [name, setName] = useState("");
  const [typed, setTyped] = useState<Record<string, string>>({});
  const [chosen, setChosen] = useState<TriggerEvent[]>(["down", "recovery"]);
  const change = useChangeChannel();
  const kind = channelKinds[type]!;
  const wrong = change.error instanceof Refusal ? change.error.fields : new Map<string, string>();
  const shownAtFields = wrong.size > 0 && [...wrong.keys()].every((f) => f === "name" || kind.fields.some((k) => f === `config.${k.name}`));
  const submit = (e: FormEvent) => {
    e.preventDefault();
    change.mutate({ kind: "create", draft: { type, name: name.trim() || kind.word, config: toConfig(type, typed) as never, trigger_events: chosen } }, { onSuccess: onClose });
  };
  return (
    <Dialog title="Add a channel" onClose={onClose}>
      <form noValidate className="grid gap-4" onSubmit={submit}>
        <SelectField label="Kind" value={type} onChange={(e) => setType(e.target.value)}>{Object.entries(channelKinds).map(([value, k]) => <option key={value} value={value}>{k.word}</option>)}</SelectField>
        <TextField label="Name" placeholder={kind.word} value={name} error={wrong.get("name")} onChange={(e) => setName(e.target.value)} />
        {kind.fields.map((f) => (
          <TextField key={`${type}.${f.name}`} label={f.optional ? `${f.label} (optional)` : f.label} hint={f.hint} type={f.secret ? "password" : "text"} autoComplete={f.secret ? "new-password" : "off"}
            value={typed[f.name] ?? ""} error={wrong.get(`config.${f.name}`)} onChange={(e) => setTyped((t) => ({ ...t, [f.name]: e.target.value }))} />
        ))}
        <fieldset><legend className="mb-1 font-medium">Told when</legend>
          {events.map(([value, word]) => <CheckField key={value} label={word} checked={chosen.includes(value)} onChange={(e) => setChosen((all) => (e.target.checked ? [...all, value] : all.filter((x) => x !== value)))} />)}
        </fieldset>
        {!shownAtFields && <Failure error={change.error && wrong.size > 0 ? new Error([...wrong].map(([f, m]) => `${f}: ${m}`).join("; ")) : change.error} />}
        <div className="flex justify-end gap-2"><button type="button" className="button" onClick={onClose}>Cancel</button><button type="submit" className="button button-main" disabled={change.isPending}>Add channel</button></div>
      </form>
    </Dialog>
  );
}
