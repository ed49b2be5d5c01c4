import { useId, useState } from "react";
import { useGetSessions, useRevokeSession } from "@/api/audit";
import { Refusal } from "@/api/refusal";
import { useChangePassword } from "@/api/settings";
import type { Session } from "@/api/types";
import { SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { Section, Waiting } from "@/components/Page";
import { TimeAgo } from "@/components/Time";
import { chooseZone, deviceZone, fullMoment, isKnownZone, useZoneChoice } from "@/format/zone";
import { announce } from "@/live/announce";
import { useNow } from "@/live/useNow";
import { chooseScheme, type SchemeChoice, useSchemeChoice } from "@/theme";
import { sayBrowser } from "./browser";

/** What is one's own, in whatever organization one is. */
export function Account() {
  return <><Appearance /><Password /><Sessions /></>;
}

function Appearance() {
  const choice = useSchemeChoice();
  return (
    <Section title="Appearance">
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField label="Light or dark" value={choice} onChange={(e) => chooseScheme(e.target.value as SchemeChoice)}><option value="system">As the system</option><option value="light">Light</option><option value="dark">Dark</option></SelectField>
        <ZoneField />
      </div>
    </Section>
  );
}

/** On whose clock times are shown. What is no zone is not taken; nothing is the device's. */
function ZoneField() {
  const chosen = useZoneChoice();
  const [text, setText] = useState(chosen);
  const list = useId();
  const device = deviceZone();
  const wrong = text.trim() !== "" && !isKnownZone(text.trim()) ? "A name such as Europe/Berlin" : undefined;
  const change = (next: string) => {
    setText(next);
    const name = next.trim();
    if (name !== "" && !isKnownZone(name)) return;
    chooseZone(name === device ? "" : name);
    announce(`Times are shown in ${name || device}`);
  };
  return (
    <div className="min-w-0">
      <TextField label="Time zone" list={list} placeholder={device} hint="In which times are shown, in this browser. Left empty, the device’s." autoComplete="off" spellCheck={false} value={text} error={wrong} onChange={(e) => change(e.target.value)} />
      <datalist id={list}>{["UTC", ...Intl.supportedValuesOf("timeZone")].map((z) => <option key={z} value={z} />)}</datalist>
      <p className="mt-1 text-sm text-ink-2">Now: <Now /></p>
    </div>
  );
}

function Now() {
  const now = useNow();
  useZoneChoice();
  return <time className="tabular-nums">{fullMoment(now)}</time>;
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

function Sessions() {
  const sessions = useGetSessions();
  const revoke = useRevokeSession();
  return (
    <Section title="Where you are signed in">
      <Failure error={sessions.error ?? revoke.error} retry={sessions.error ? () => void sessions.refetch() : undefined} />
      {sessions.isPending && <Waiting rows={1} />}
      <ul className="divide-y divide-line">{sessions.data?.map((s) => <SessionRow key={s.id} session={s} pending={revoke.isPending} onRevoke={() => revoke.mutate(s.id)} />)}</ul>
      <p className="mt-2 text-sm text-ink-2">One that you do not know: sign it out, and change your password, which signs out all others too.</p>
    </Section>
  );
}

function SessionRow({ session, pending, onRevoke }: { session: Session; pending: boolean; onRevoke(): void }) {
  const browser = sayBrowser(session.user_agent);
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
      <div className="min-w-0 flex-1">
        <p><b className="font-semibold">{browser}</b> <span className="text-ink-2">{session.ip}</span>{session.current && <span className="font-medium text-up"> · this one</span>}</p>
        <p className="text-sm text-ink-2">{session.organization && `in ${session.organization.name} · `}since <TimeAgo at={session.created_at} /> · used <TimeAgo at={session.last_used_at} /></p>
      </div>
      {!session.current && <button type="button" className="button button-small button-danger" disabled={pending} onClick={onRevoke}>Sign out<span className="sr-only"> {browser}</span></button>}
    </li>
  );
}
