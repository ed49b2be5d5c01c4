import { useNavigate, useSearch } from "@tanstack/react-router";
import { Tabs } from "radix-ui";
import { PageHead } from "@/components/Page";
import { ChannelList } from "./ChannelList";
import { DeliveryLog } from "./DeliveryLog";

const tabs = [["channels", "Channels"], ["deliveries", "Delivery log"], ["dead", "Given up"]] as const;

/** Who is told, and what became of what was told. */
export default function NotificationsPage() {
  const { tab } = useSearch({ from: "/uptime/notifications" });
  const navigate = useNavigate({ from: "/uptime/notifications" });
  const current = tabs.some(([value]) => value === tab) ? tab! : "channels";
  return (
    <Tabs.Root value={current} onValueChange={(next) => void navigate({ search: next === "channels" ? {} : { tab: next }, replace: true })}>
      <PageHead title="Notification channels" about="Who is told when something goes down and when it is up again." />
      <Tabs.List className="mb-4 flex flex-wrap gap-1 border-b border-line" aria-label="Parts">
        {tabs.map(([value, word]) => <Tabs.Trigger key={value} value={value} className="-mb-px border-b-2 border-transparent px-3 py-2 font-medium text-ink-2 data-[state=active]:border-accent data-[state=active]:text-ink">{word}</Tabs.Trigger>)}
      </Tabs.List>
      <Tabs.Content value="channels"><ChannelList /></Tabs.Content>
      <Tabs.Content value="deliveries"><DeliveryLog /></Tabs.Content>
      <Tabs.Content value="dead"><DeliveryLog state="dead" /></Tabs.Content>
    </Tabs.Root>
  );
}
