import { UserPlus } from "lucide-react";
import { useState } from "react";
import { useGetMembers, useLeaveOrganization, useRemoveMember } from "@/api/organizations";
import { useIsAdmin, useRole, useSession } from "@/api/session";
import type { Member } from "@/api/types";
import { Confirm } from "@/components/Dialog";
import { Failure } from "@/components/Notice";
import { Section, Waiting } from "@/components/Page";
import { Moment } from "@/components/Time";
import { announce } from "@/live/announce";
import { AddMember, ChangeRole } from "./MemberForms";
import { roles, whyNot } from "./memberRules";
import { OrganizationName } from "./OrganizationName";

/** Who is in the organization, with which role. */
export function Members() {
  const members = useGetMembers();
  const isAdmin = useIsAdmin();
  const organization = useSession().data?.organization;
  const [adding, setAdding] = useState(false);
  return (
    <>
      {isAdmin && organization && <OrganizationName organization={organization} />}
      <Section title="Members" tools={isAdmin && <button type="button" className="button button-small" onClick={() => setAdding(true)}><UserPlus className="size-4" aria-hidden />Add member</button>}>
        <Failure error={members.error} retry={() => void members.refetch()} />
        {members.isPending && <Waiting rows={2} />}
        <ul className="divide-y divide-line">{members.data?.map((m) => <MemberRow key={m.user?.id} member={m} all={members.data} />)}</ul>
        {!isAdmin && <p className="mt-2 text-sm text-ink-2">Admins and owners change members.</p>}
      </Section>
      <Section title="What the roles may do">
        <dl className="grid gap-x-4 gap-y-1.5 sm:grid-cols-[6rem_minmax(0,1fr)]">{roles.map((r) => <div key={r.role} className="contents"><dt className="font-semibold">{r.word}</dt><dd className="text-ink-2 max-sm:mb-1">{r.may}</dd></div>)}</dl>
      </Section>
      {adding && <AddMember onClose={() => setAdding(false)} />}
    </>
  );
}

function MemberRow({ member, all }: { member: Member; all: readonly Member[] }) {
  const role = useRole();
  const isAdmin = useIsAdmin();
  const session = useSession().data;
  const remove = useRemoveMember();
  const leave = useLeaveOrganization();
  const [open, setOpen] = useState<"role" | "remove" | null>(null);
  const id = member.user?.id ?? "";
  const email = member.user?.email ?? "";
  const self = id === session?.user?.id;
  const why = whyNot(role, member, all);
  const close = () => setOpen(null);
  const goOn = () => {
    if (self) leave.mutate(id);
    else remove.mutate(id, { onSuccess: () => announce(`${email} was removed`), onSettled: close });
  };
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1.5 py-2.5" aria-label={email}>
      <div className="min-w-0 flex-[1_1_14rem]">
        <p><b className="font-semibold">{member.user?.name || email}</b>{self && <span className="text-ink-2"> · you</span>}</p>
        <p className="text-sm text-ink-2">{member.user?.name && `${email} · `}{roles.find((r) => r.role === member.role)?.word ?? "No role"} · since <Moment at={member.created_at} /></p>
        {isAdmin && why && <p className="text-sm text-ink-2">{why}</p>}
        <Failure error={remove.error} />
      </div>
      {isAdmin && !why && (
        <div className="flex flex-wrap gap-2">
          <button type="button" className="button button-small" onClick={() => setOpen("role")}>Change role<span className="sr-only"> of {email}</span></button>
          <button type="button" className="button button-small button-danger" onClick={() => setOpen("remove")}>{self ? "Leave" : <>Remove<span className="sr-only"> {email}</span></>}</button>
        </div>
      )}
      {open === "role" && <ChangeRole member={member} self={self} onClose={close} />}
      {open === "remove" && (
        <Confirm title={self ? `Leave ${session?.organization?.name}?` : `Remove ${email}?`} word={self ? "Leave" : "Remove"} danger pending={remove.isPending || leave.isPending} onConfirm={goOn} onClose={close}>
          {self ? "You see nothing of it any more, until somebody adds you again." : "They see nothing of this organization any more. API keys that they made stay: look through those too."}
        </Confirm>
      )}
    </li>
  );
}
