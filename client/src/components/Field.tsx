import { type ComponentProps, type ReactNode, useId } from "react";

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: string;
  className?: string;
  children(attributes: { id: string; "aria-invalid": boolean; "aria-describedby": string | undefined }): ReactNode;
}

/** A label, what it labels, a hint, and what is wrong, tied together for people who do not see them side by side. */
export function Field({ label, hint, error, className = "", children }: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  return (
    <div className={`min-w-0 ${className}`}>
      <label htmlFor={id} className="mb-1 block font-medium">{label}</label>
      {children({ id, "aria-invalid": Boolean(error), "aria-describedby": described })}
      {hint && <p id={`${id}-hint`} className="mt-1 text-sm text-ink-2">{hint}</p>}
      {error && <p id={`${id}-error`} className="mt-1 text-sm font-medium text-down"><span aria-hidden>✕ </span>{error}</p>}
    </div>
  );
}

type TextFieldProps = Omit<FieldProps, "children"> & ComponentProps<"input">;

export function TextField({ label, hint, error, className, ...input }: TextFieldProps) {
  return <Field label={label} hint={hint} error={error} className={className}>{(a) => <input {...input} {...a} className="input" />}</Field>;
}

type SelectFieldProps = Omit<FieldProps, "children"> & ComponentProps<"select">;

export function SelectField({ label, hint, error, className, children, ...select }: SelectFieldProps) {
  return <Field label={label} hint={hint} error={error} className={className}>{(a) => <select {...select} {...a} className="input">{children}</select>}</Field>;
}

type AreaFieldProps = Omit<FieldProps, "children"> & ComponentProps<"textarea">;

export function AreaField({ label, hint, error, className, ...area }: AreaFieldProps) {
  return <Field label={label} hint={hint} error={error} className={className}>{(a) => <textarea rows={3} {...area} {...a} className="input font-mono text-sm" />}</Field>;
}

/** A box to tick, with its words beside it. */
export function CheckField({ label, hint, ...input }: { label: ReactNode; hint?: ReactNode } & ComponentProps<"input">) {
  const id = useId();
  return (
    <div className="flex items-start gap-2.5 py-1">
      <input {...input} id={id} type="checkbox" className="check mt-0.5" aria-describedby={hint ? `${id}-hint` : undefined} />
      <div className="min-w-0"><label htmlFor={id}>{label}</label>{hint && <p id={`${id}-hint`} className="text-sm text-ink-2">{hint}</p>}</div>
    </div>
  );
}
