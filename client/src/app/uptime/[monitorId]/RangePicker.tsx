import { ToggleGroup } from "radix-ui";
import { type FormEvent, useState } from "react";
import { Dialog } from "@/components/Dialog";
import { TextField } from "@/components/Field";
import { Moment } from "@/components/Time";
import { zone } from "@/format/zone";
import { instantOf, wallOf } from "../maintenance/wall";
import { presets, type Range, type RangeSearch } from "./range";

/** Chooses the stretch of time that the page shows: by its name, or by both ends. */
export function RangePicker({ range, onChange }: { range: Range; onChange(next: RangeSearch): void }) {
  const [choosing, setChoosing] = useState(false);
  const { from, to } = range.ask;
  return (
    <div className="flex flex-wrap items-center gap-2">
      {from && to && <span className="text-sm text-ink-2"><Moment at={from} /> to <Moment at={to} /></span>}
      <ToggleGroup.Root type="single" value={range.preset ?? ""} aria-label="Range" className="flex overflow-hidden rounded-lg border border-line-strong bg-card" onValueChange={(next) => { if (next) onChange(next === "24h" ? {} : { range: next }); }}>
        {Object.entries(presets).map(([value, r]) => <ToggleGroup.Item key={value} value={value} className="px-2 py-1.5 text-sm font-medium whitespace-nowrap sm:px-3 not-last:border-r not-last:border-line data-[state=on]:bg-raised data-[state=off]:text-ink-2">{r.word}</ToggleGroup.Item>)}
      </ToggleGroup.Root>
      <button type="button" className="button button-small" aria-pressed={range.preset === undefined} onClick={() => setChoosing(true)}>From … to …</button>
      {choosing && <Ends range={range} onClose={() => setChoosing(false)} onChosen={(next) => { setChoosing(false); onChange(next); }} />}
    </div>
  );
}

const shown = (t: number) => new Date(wallOf(t, zone())).toISOString().slice(0, 16);

function Ends({ range, onChosen, onClose }: { range: Range; onChosen(next: RangeSearch): void; onClose(): void }) {
  const [ends, setEnds] = useState(() => {
    const now = Date.now();
    const hours = range.preset ? presets[range.preset].hours : 0;
    return { from: shown(range.ask.from ? Date.parse(range.ask.from) : now - hours * 3_600_000), to: shown(range.ask.to ? Date.parse(range.ask.to) : now) };
  });
  const [wrong, setWrong] = useState<{ from?: string; to?: string }>({});
  function submit(e: FormEvent) {
    e.preventDefault();
    const missing = { ...(ends.from ? {} : { from: "A date and a time" }), ...(ends.to ? {} : { to: "A date and a time" }) };
    const late = ends.from && ends.to && ends.to <= ends.from ? { to: "It must end after it begins" } : {};
    if (Object.keys({ ...missing, ...late }).length > 0) return setWrong({ ...missing, ...late });
    const said = (text: string) => new Date(instantOf(Date.parse(`${text}Z`), zone())).toISOString();
    onChosen({ from: said(ends.from), to: said(ends.to) });
  }
  return (
    <Dialog title="Which time?" onClose={onClose}>
      <form noValidate className="grid gap-4" onSubmit={submit}>
        <TextField label="From" type="datetime-local" value={ends.from} error={wrong.from} onChange={(e) => setEnds({ ...ends, from: e.target.value })} />
        <TextField label="To" type="datetime-local" value={ends.to} error={wrong.to} onChange={(e) => setEnds({ ...ends, to: e.target.value })} />
        <p className="text-sm text-ink-2">On the clock of {zone()}.</p>
        <div className="flex justify-end gap-2"><button type="button" className="button" onClick={onClose}>Cancel</button><button type="submit" className="button button-main">Show</button></div>
      </form>
    </Dialog>
  );
}
