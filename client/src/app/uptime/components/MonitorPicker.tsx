import { useState } from "react";
import type { Monitor } from "@/api/types";
import { CheckField } from "@/components/Field";
import { target } from "@/format/status";

const MANY = 30;

interface Props {
  monitors: readonly Monitor[];
  chosen: ReadonlySet<number>;
  onChange(chosen: ReadonlySet<number>): void;
  legend: string;
  error?: string;
}

/** Chooses some of the monitors. Those that are chosen are always shown, of the others the first that are found. */
export function MonitorPicker({ monitors, chosen, onChange, legend, error }: Props) {
  const [words, setWords] = useState("");
  const sought = words.trim().toLowerCase();
  const others = monitors.filter((m) => !chosen.has(m.id) && `${m.name} ${target(m)}`.toLowerCase().includes(sought));
  const found = [...monitors.filter((m) => chosen.has(m.id)), ...others.slice(0, MANY)];
  const toggle = (id: number, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    onChange(next);
  };
  return (
    <fieldset className="min-w-0"><legend className="mb-1 font-medium">{legend}</legend>
      {monitors.length > 8 && <input className="input mb-2" type="search" aria-label="Find monitors" placeholder="Name or address" value={words} onChange={(e) => setWords(e.target.value)} />}
      <div className="max-h-48 overflow-y-auto rounded-lg border border-line px-3 py-1.5">
        {found.map((m) => <CheckField key={m.id} label={m.name} checked={chosen.has(m.id)} onChange={(e) => toggle(m.id, e.target.checked)} />)}
        {found.length === 0 && <p className="py-1 text-ink-2">{monitors.length === 0 ? "There are no monitors yet." : "None is called so."}</p>}
        {others.length > MANY && <p className="py-1 text-sm text-ink-2">{others.length - MANY} more; find them by name or address.</p>}
      </div>
      {error && <p className="mt-1 text-sm font-medium text-down"><span aria-hidden>✕ </span>{error}</p>}
    </fieldset>
  );
}
