import { Building2, Check, Plus, Users } from "lucide-react";
import { Link } from "@tanstack/react-router";
import { DropdownMenu } from "radix-ui";
import { lazy, Suspense, useState } from "react";
import { useOrganizations } from "@/api/organizations";
import type { Session } from "@/api/types";
import { useMoveTo } from "./useMoveTo";

const NewOrganization = lazy(() => import("./NewOrganization").then((m) => ({ default: m.NewOrganization })));

/** In which organization one is, and the ways into the others. */
export function OrganizationMenu({ session }: { session: Session }) {
  const [open, setOpen] = useState(false);
  const [making, setMaking] = useState(false);
  const organizations = useOrganizations(open).data;
  const moveTo = useMoveTo();
  const active = session.organization;
  const all = organizations ?? (active ? [active] : []);
  return (
    <>
      {/* Not modal, as the account's. In its place and not at the end of the page, where it would be in no landmark. */}
      <DropdownMenu.Root modal={false} open={open} onOpenChange={setOpen}>
        <DropdownMenu.Trigger className="button button-plain button-icon max-w-44 font-medium" aria-label={active ? `Organization: ${active.name}` : "No organization"}>
          <Building2 className="size-5 flex-none" aria-hidden /><span className="truncate max-xl:hidden">{active?.name ?? "No organization"}</span>
        </DropdownMenu.Trigger>
        <DropdownMenu.Content className="menu max-h-[80vh] max-w-[min(320px,calc(100vw-16px))] overflow-y-auto" align="end" sideOffset={6}>
          <DropdownMenu.RadioGroup value={active?.id ?? ""} aria-label="Organization" onValueChange={(id) => { const to = all.find((o) => o.id === id); if (to && id !== active?.id) moveTo(to); }}>
            {all.map((o) => (
              <DropdownMenu.RadioItem key={o.id} value={o.id} className="menu-item">
                <span className="min-w-0 flex-1"><span className="font-medium">{o.name}</span> <span className="text-sm text-ink-2">{o.role}</span></span>
                <DropdownMenu.ItemIndicator><Check className="size-4" aria-hidden /></DropdownMenu.ItemIndicator>
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Separator className="my-1 border-t border-line" />
          {active && <DropdownMenu.Item className="menu-item" asChild><Link to="/uptime/settings" search={{ tab: "members" }}><Users className="size-4" aria-hidden />Members</Link></DropdownMenu.Item>}
          <DropdownMenu.Item className="menu-item" onSelect={() => setMaking(true)}><Plus className="size-4" aria-hidden />New organization…</DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Root>
      {making && <Suspense><NewOrganization onClose={() => setMaking(false)} /></Suspense>}
    </>
  );
}
