import { useState } from "react";
import { useActOnIncident } from "@/api/incidents";
import { useCanEdit } from "@/api/session";
import type { Incident } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { Field } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { NOTE_LIMIT } from "./Notes";

const actions = {
  acknowledge: { word: "Acknowledge", about: "Says that you care for it. Reminders stop; the recovery is told as ever." },
  resolve: { word: "Resolve", about: "Closes it by hand. If the monitor is still down, no other incident begins before it has recovered." },
} as const;

type Action = keyof typeof actions;

/** Takes the incident, or closes it, with a note if one is written. */
export function Act({ incident }: { incident: Incident }) {
  const [action, setAction] = useState<Action | null>(null);
  if (!useCanEdit() || incident.status === "resolved") return null;
  return (
    <div className="flex flex-wrap gap-2">
      {incident.status === "active" && <button type="button" className="button button-main" onClick={() => setAction("acknowledge")}>Acknowledge…</button>}
      <button type="button" className="button" onClick={() => setAction("resolve")}>Resolve…</button>
      {action && <Ask incident={incident} action={action} onClose={() => setAction(null)} />}
    </div>
  );
}

function Ask({ incident, action, onClose }: { incident: Incident; action: Action; onClose(): void }) {
  const act = useActOnIncident();
  const [note, setNote] = useState("");
  const wrong = [...note].length > NOTE_LIMIT ? `${NOTE_LIMIT} characters are the most.` : undefined;
  const { word, about } = actions[action];
  return (
    <Dialog title={`${word} the incident of ${incident.monitor_name}`} onClose={onClose}>
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); act.mutate({ id: incident.id, action, note: note.trim() ? note : undefined }, { onSuccess: onClose }); }}>
        <p className="text-ink-2">{about}</p>
        <Field label="Note (optional)" error={wrong}>{(a) => <textarea {...a} rows={3} className="input" value={note} onChange={(e) => setNote(e.target.value)} />}</Field>
        <Failure error={act.error} />
        <div className="flex flex-wrap justify-end gap-2">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-main" disabled={act.isPending || Boolean(wrong)}>{word}</button>
        </div>
      </form>
    </Dialog>
  );
}
