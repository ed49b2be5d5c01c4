import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, type UseFormRegisterReturn } from "react-hook-form";
import { z } from "zod";
import { useAddMember, useChangeRole } from "@/api/organizations";
import { Refusal } from "@/api/refusal";
import { useRole } from "@/api/session";
import type { Member, Role } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { placeRefusal } from "@/components/refuse";
import { announce } from "@/live/announce";
import { grantable, roles } from "./memberRules";

// The quick way that zod checks objects needs eval, which the content policy forbids.
z.config({ jitless: true });

const role = z.enum(["viewer", "editor", "admin", "owner"]);
const addSchema = z.object({ email: z.string().trim().min(1, "Whom?"), name: z.string().trim().max(100, "At most 100 characters"), role, password: z.string() });
type Added = z.infer<typeof addSchema>;

const known = (path: string): keyof Added | undefined => (path in addSchema.shape ? (path as keyof Added) : undefined);

/** Adds somebody by e-mail address, with an account if there is none yet. */
export function AddMember({ onClose }: { onClose(): void }) {
  const { register, handleSubmit, setError, formState: { errors } } = useForm<Added>({ resolver: zodResolver(addSchema), defaultValues: { email: "", name: "", role: "viewer", password: "" } });
  const add = useAddMember();
  const own = useRole();
  const [general, setGeneral] = useState<unknown>(null);
  const field = (name: keyof Added) => ({ ...register(name), error: errors[name]?.message });
  const submit = handleSubmit(async ({ password, ...rest }) => {
    setGeneral(null);
    try {
      await add.mutateAsync(password ? { ...rest, password } : rest);
      announce(`${rest.email} was added`);
      onClose();
    } catch (error) {
      if (error instanceof Refusal && error.status === 409 && error.fields.size === 0) setError("email", { message: error.message }, { shouldFocus: true });
      else setGeneral(placeRefusal(error, known, setError));
    }
  });
  return (
    <Dialog title="Add a member" onClose={onClose}>
      <form noValidate className="grid gap-4 *:min-w-0" onSubmit={submit}>
        <TextField label="E-mail" type="email" autoComplete="off" {...field("email")} />
        <Roles own={own} input={register("role")} error={errors.role?.message} />
        <p className="border-t border-line pt-3 text-sm text-ink-2">Who has no account yet gets one. Tell them the password yourself; no mail is sent. Who has an account keeps the own: leave both empty.</p>
        <TextField label="Name" autoComplete="off" {...field("name")} />
        <TextField label="First password" type="password" autoComplete="new-password" hint="At least 10 characters." {...field("password")} />
        {general !== null && <Failure error={general} />}
        <Buttons word="Add member" pending={add.isPending} onClose={onClose} />
      </form>
    </Dialog>
  );
}

/** Gives a member another role. */
export function ChangeRole({ member, self, onClose }: { member: Member; self: boolean; onClose(): void }) {
  const form = useForm<{ role: Role }>({ defaultValues: { role: member.role ?? "viewer" } });
  const change = useChangeRole();
  const own = useRole();
  const email = member.user?.email ?? "";
  const less = self && form.watch("role") !== member.role;
  const [general, setGeneral] = useState<unknown>(null);
  const submit = form.handleSubmit(async (values) => {
    setGeneral(null);
    try {
      await change.mutateAsync({ userId: member.user?.id ?? "", role: values.role });
      announce(`${email} is ${values.role} now`);
      onClose();
    } catch (error) {
      setGeneral(placeRefusal(error, (path) => (path === "role" ? path : undefined), form.setError));
    }
  });
  return (
    <Dialog title={`Role of ${email}`} onClose={onClose}>
      <form noValidate className="grid gap-4 *:min-w-0" onSubmit={submit}>
        <Roles own={own} input={form.register("role")} error={form.formState.errors.role?.message} />
        {less && <Notice tone="degraded" title="That is your own role: you cannot take it back yourself." />}
        {general !== null && <Failure error={general} />}
        <Buttons word="Save" pending={change.isPending} onClose={onClose} />
      </form>
    </Dialog>
  );
}

/** The roles that may be given, with what each may do. */
function Roles({ own, input, error }: { own: Role | undefined; input: UseFormRegisterReturn; error?: string }) {
  const may = grantable(own);
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1 font-medium">Role</legend>
      <div className="grid gap-2">
        {roles.filter((r) => may.includes(r.role)).map((r) => (
          <label key={r.role} className="flex cursor-pointer gap-2.5 rounded-lg border border-line-strong px-3 py-2 has-checked:border-accent has-checked:bg-up-soft has-focus-visible:outline-3 has-focus-visible:outline-focus">
            <input type="radio" value={r.role} className="check mt-0.5" {...input} />
            <span className="min-w-0"><b className="font-semibold">{r.word}</b> <span className="text-sm text-ink-2">{r.may}</span></span>
          </label>
        ))}
      </div>
      {error && <p className="mt-1 text-sm font-medium text-down"><span aria-hidden>✕ </span>{error}</p>}
      {!may.includes("owner") && <p className="mt-1 text-sm text-ink-2">Only an owner makes owners.</p>}
    </fieldset>
  );
}

function Buttons({ word, pending, onClose }: { word: string; pending: boolean; onClose(): void }) {
  return (
    <div className="flex justify-end gap-2">
      <button type="button" className="button" onClick={onClose}>Cancel</button>
      <button type="submit" className="button button-main" disabled={pending}>{word}</button>
    </div>
  );
}
