import { type FormEvent, useState } from "react";
import { useCreateApiKey, useDeleteApiKey, useGetApiKeys } from "@/api/settings";
import type { Role } from "@/api/types";
import { SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { Section } from "@/components/Page";
import { Moment, TimeAgo } from "@/components/Time";

/** What lets programs in. */
export function ApiKeys() {
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
