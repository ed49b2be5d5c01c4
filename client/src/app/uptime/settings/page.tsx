import { type FormEvent, useState } from "react";
import { useChangePassword, useCreateApiKey, useDeleteApiKey, useGetApiKeys, useGetMembers, useGetProbers } from "@/api/settings";
import { useSession } from "@/api/session";
import { Refusal } from "@/api/refusal";
import type { Role } from "@/api/types";
import { SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { PageHead, Section } from "@/components/Page";
import { Moment, TimeAgo } from "@/components/Time";
import { chooseScheme, type SchemeChoice, useSchemeChoice } from "@/theme";

export default function SettingsPage() {
  const session = useSession().data;
  const role = session?.organization?.role;
  return (
    <div className="mx-auto max-w-3xl">
      <PageHead title="Settings" about={[session?.organization?.name, session?.user?.email, role].filter(Boolean).join(" · ")} />
      <div className="grid gap-4 *:min-w-0">
        <Appearance />
        {(role === "admin" || role === "owner") && <ApiKeys />}
        <Password />
        <Members />
        <Probers />
      </div>
    </div>
  );
}

function Appearance() {
  const choice = useSchemeChoice();
  return (
    <Section title="Appearance">
      <SelectField label="Light or dark" className="max-w-60" value={choice} onChange={(e) => chooseScheme(e.target.value as SchemeChoice)}><option value="system">As the system</option><option value="light">Light</option><option value="dark">Dark</option></SelectField>
    </Section>
  );
}

function ApiKeys() {
  const keys = useGetApiKeys(true);
  const create = useCreateApiKey();
  const remove = useDeleteApiKey();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    create.mutate({ name: name.trim(), role }, { onSuccess: () => setName("") });
  };
  return (
    <Section title="API keys">
      <ul className="mb-4 divide-y divide-line">
        {keys.data?.map((k) => (
          <li key={k.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
            <div className="min-w-0 flex-1"><b className="font-semibold">{k.name}</b> <code className="font-mono text-sm text-ink-2">{k.prefix}…</code><p className="text-sm text-ink-2">{k.role} · used <TimeAgo at={k.last_used_at} />{k.expires_at && <> · ends <Moment at={k.expires_at} /></>}</p></div>
            <button type="button" className="button button-small button-danger" disabled={remove.isPending} onClick={() => remove.mutate(k.id)}>Revoke<span className="sr-only"> {k.name}</span></button>
          </li>
        ))}
        {keys.data?.length === 0 && <li className="py-1 text-ink-2">There are none.</li>}
      </ul>
      <Failure error={keys.error ?? remove.error} />
      <form noValidate className="flex flex-wrap items-end gap-3" onSubmit={submit}>
        <TextField className="flex-[1_1_12rem]" label="Name" value={name} onChange={(e) => setName(e.target.value)} />
        <SelectField label="May" value={role} onChange={(e) => setRole(e.target.value as Role)}><option value="viewer">read</option><option value="editor">read and change</option><option value="admin">administer</option></SelectField>
        <button type="submit" className="button" disabled={create.isPending}>Make a key</button>
      </form>
      <div className="mt-3"><Failure error={create.error} />{create.data?.key && <Notice tone="up" title="Keep it now: it is shown only this once."><code className="mt-1 block font-mono text-sm break-all select-all">{create.data.key}</code></Notice>}</div>
    </Section>
  );
}

function Password() {
  const change = useChangePassword();
  const [v, setV] = useState({ current_password: "", new_password: "" });
  const wrong = change.error instanceof Refusal ? change.error.fields : new Map<string, string>();
  const bind = (name: keyof typeof v) => ({ type: "password", value: v[name], error: wrong.get(name), onChange: (e: { target: { value: string } }) => setV((old) => ({ ...old, [name]: e.target.value })) });
  return (
    <Section title="Password">
      <form noValidate className="grid gap-4 sm:grid-cols-2" onSubmit={(e) => { e.preventDefault(); change.mutate(v, { onSuccess: () => setV({ current_password: "", new_password: "" }) }); }}>
        <TextField label="Password so far" autoComplete="current-password" {...bind("current_password")} />
        <TextField label="New password" autoComplete="new-password" hint="At least 10 characters." {...bind("new_password")} />
        <div className="grid gap-3 sm:col-span-2">{wrong.size === 0 && <Failure error={change.error} />}{change.isSuccess && <Notice tone="up" title="It is changed." />}<button type="submit" className="button justify-self-start" disabled={change.isPending}>Change it</button></div>
      </form>
    </Section>
  );
}

function Members() {
  const members = useGetMembers();
  return (
    <Section title="Members">
      <Failure error={members.error} />
      <ul className="divide-y divide-line">{members.data?.map((m) => <li key={m.user?.id} className="flex flex-wrap justify-between gap-x-4 py-2"><span>{m.user?.email}</span><span className="text-ink-2">{m.role}</span></li>)}</ul>
    </Section>
  );
}

function Probers() {
  const probers = useGetProbers();
  return (
    <Section title="Probers">
      <Failure error={probers.error} />
      <ul className="divide-y divide-line">
        {probers.data?.map((p) => (
          <li key={p.id} className="py-2"><p className="flex flex-wrap justify-between gap-x-4"><b className="font-semibold">{p.id}</b><span>{p.health}</span></p><p className="text-sm text-ink-2">{p.region} · {p.monitors} {p.monitors === 1 ? "monitor" : "monitors"} · {p.version} · seen <TimeAgo at={p.last_seen_at} /></p></li>
        ))}
        {probers.data?.length === 0 && <li className="text-ink-2">There are none.</li>}
      </ul>
    </Section>
  );
}
