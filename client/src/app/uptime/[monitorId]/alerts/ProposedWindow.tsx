import { useId } from "react";
import { TextField } from "@/components/Field";
import { fieldsOf, type ProposedField, type ProposedValues } from "./proposedWindow";

interface Props {
  values: ProposedValues;
  wrong: Partial<Record<ProposedField, string>>;
  onChange(values: ProposedValues): void;
  /** Replays, when Enter is pressed in a field. */
  onEnter(): void;
}

/** The fields of a window that there is not. */
export function ProposedWindow({ values, wrong, onChange, onEnter }: Props) {
  const zones = useId();
  const again = values.kind !== "once";
  const words: Record<ProposedField, [label: string, hint?: string]> = {
    from: [again ? "First time" : "From"], to: ["To"], length: ["Lasts", "Such as 1 h 30 min."], zone: ["Time zone", "On whose clock it begins."],
    rrule: ["Rule", "RFC 5545, such as FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=0"], cron: ["Cron", "Minute, hour, day of month, month, day of week."],
  };
  return (
    <fieldset className="grid min-w-0 gap-3 sm:grid-cols-2" onKeyDown={(e) => { if (e.key === "Enter") { e.preventDefault(); onEnter(); } }}>
      <legend className="sr-only">The window as if there were it</legend>
      {fieldsOf(values.kind).map((name) => {
        const [label, hint] = words[name];
        const time = name === "from" || name === "to";
        return <TextField key={name} name={`window.${name}`} className={name === "rrule" || name === "cron" ? "sm:col-span-2" : ""} label={label} hint={hint} error={wrong[name]} type={time ? "datetime-local" : "text"} list={name === "zone" ? zones : undefined} autoComplete="off" spellCheck={false} value={values[name]} onChange={(e) => onChange({ ...values, [name]: e.target.value })} />;
      })}
      {fieldsOf(values.kind).includes("zone") && <datalist id={zones}>{Intl.supportedValuesOf("timeZone").map((z) => <option key={z} value={z} />)}</datalist>}
    </fieldset>
  );
}
