import { useNavigate, useSearch } from "@tanstack/react-router";
import { Tabs } from "radix-ui";
import { useIsAdmin, useSession } from "@/api/session";
import { PageHead } from "@/components/Page";
import { Account } from "./Account";
import { ApiKeys } from "./ApiKeys";
import { Audit } from "./Audit";
import { Members } from "./Members";

const tabs = [["account", "Account", Account, false], ["members", "Members", Members, false], ["keys", "API keys", ApiKeys, true], ["audit", "Audit", Audit, true]] as const;

/** What is one's own, and what is the organization's. Keys and the audit log are shown to who may read them. */
export default function SettingsPage() {
  const { tab } = useSearch({ from: "/uptime/settings" });
  const navigate = useNavigate({ from: "/uptime/settings" });
  const session = useSession().data;
  const isAdmin = useIsAdmin();
  const shown = tabs.filter(([, , , forAdmins]) => isAdmin || !forAdmins);
  const current = shown.some(([value]) => value === tab) ? tab! : "account";
  return (
    <Tabs.Root className="mx-auto max-w-3xl" value={current} onValueChange={(next) => void navigate({ search: next === "account" ? {} : { tab: next }, replace: true })}>
      <PageHead title="Settings" about={[session?.organization?.name, session?.user?.email, session?.organization?.role].filter(Boolean).join(" · ")} />
      <Tabs.List className="mb-4 flex flex-wrap gap-1 border-b border-line" aria-label="Parts">
        {shown.map(([value, word]) => <Tabs.Trigger key={value} value={value} className="-mb-px border-b-2 border-transparent px-3 py-2 font-medium text-ink-2 data-[state=active]:border-accent data-[state=active]:text-ink">{word}</Tabs.Trigger>)}
      </Tabs.List>
      {shown.map(([value, , Part]) => <Tabs.Content key={value} value={value} className="grid gap-4 *:min-w-0"><Part /></Tabs.Content>)}
    </Tabs.Root>
  );
}
