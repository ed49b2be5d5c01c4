import { type FormEvent, useState } from "react";
import type { Monitor } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { CheckField, TextField } from "@/components/Field";
import { changeLabels, count } from "./bulk";
import { parseLabels } from "./monitorForm";

interface Props {
  monitors: readonly Monitor[];
  onClose(): void;
  /** Gives the monitors that change, and what the labels of each are then. */
  onSave(some: readonly Monitor[], labels: (m: Monitor) => Record<string, string>): Promise<unknown>;
}

/** Puts labels on several monitors, and takes some off. */
export function BulkLabels({ monitors, onClose, onSave }: Props) {
  const [text, setText] = useState("");
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const [wrong, setWrong] = useState<string>();
  const keys = [...new Set(monitors.flatMap((m) => Object.keys(m.labels ?? {})))].sort();
  const save = (e: FormEvent) => {
    e.preventDefault();
    const put = parseLabels(text);
    if (Object.keys(put).length === 0 && off.size === 0) { setWrong("Which label?"); return; }
    const labels = (m: Monitor) => changeLabels(m.labels ?? {}, put, [...off]) ?? m.labels ?? {};
    const some = monitors.filter((m) => changeLabels(m.labels ?? {}, put, [...off]));
    onClose();
    void onSave(some, labels);
  };
  return (
    <Dialog title={`Labels of ${count(monitors.length)}`} onClose={onClose}>
      <form noValidate className="grid gap-4 *:min-w-0" onSubmit={save}>
        <TextField label="Put on" placeholder="team=web, env=prod" hint="A label that is there gets the new value; all others stay." autoComplete="off" error={wrong} value={text} onChange={(e) => { setText(e.target.value); setWrong(undefined); }} />
        {keys.length > 0 && (
          <fieldset className="min-w-0"><legend className="mb-1 font-medium">Take off</legend>
            <div className="max-h-40 overflow-y-auto rounded-lg border border-line px-3 py-1.5">
              {keys.map((key) => <CheckField key={key} label={key} checked={off.has(key)} onChange={(e) => { setWrong(undefined); setOff((before) => { const next = new Set(before); if (e.target.checked) next.add(key); else next.delete(key); return next; }); }} />)}
            </div>
          </fieldset>
        )}
        <div className="flex justify-end gap-2"><button type="button" className="button" onClick={onClose}>Cancel</button><button type="submit" className="button button-main">Change the labels</button></div>
      </form>
    </Dialog>
  );
}
