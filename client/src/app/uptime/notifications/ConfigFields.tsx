import type { ChangeEventHandler, FocusEventHandler, Ref } from "react";
import { AreaField, SelectField, TextField } from "@/components/Field";
import { channelKinds, isStored, otherSettings } from "./channelKinds";

interface Input { name: string; error: string | undefined; onChange: ChangeEventHandler; onBlur: FocusEventHandler; ref: Ref<never> }

interface Props {
  type: string;
  /** What is stored, of a channel or rule that is changed. */
  base?: Readonly<Record<string, unknown>> | null;
  /** Ties the field of a setting to the form. */
  field(name: `config.${string}`): object;
}

/** The settings of one kind of channel. What is secret is never shown, and stays when nothing is typed. */
export function ConfigFields({ type, base, field }: Props) {
  const fields = channelKinds[type]?.fields ?? [];
  const kept = base ? otherSettings(type, base) : [];
  return (
    <>
      {fields.map((f) => {
        const input = field(`config.${f.name}`) as Input;
        const className = fields.length === 1 ? "sm:col-span-2" : "";
        const stored = isStored(base, f.name);
        if (f.oneOf) return <SelectField key={`${type}.${f.name}`} className={className} label={f.label} hint={f.hint} {...input}>{f.oneOf.map(([value, word]) => <option key={value} value={value}>{word}</option>)}</SelectField>;
        if (f.kind === "pem") return <AreaField key={`${type}.${f.name}`} className="sm:col-span-2" label={`${f.label} (optional)`} hint={f.hint} spellCheck={false} {...input} />;
        return (
          <TextField key={`${type}.${f.name}`} className={className} label={f.optional && !stored ? `${f.label} (optional)` : f.label} hint={stored ? "Stored; left empty it stays as it is." : f.hint} placeholder={stored ? "••••••••" : undefined}
            type={f.secret ? "password" : "text"} inputMode={f.kind === "number" ? "numeric" : undefined} autoComplete={f.secret ? "new-password" : "off"} spellCheck={false} {...input} />
        );
      })}
      {kept.length > 0 && <p className="text-sm text-ink-2 sm:col-span-2">Kept as set over the REST interface: {kept.join(", ")}.</p>}
    </>
  );
}
