import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useOrganizations } from "@/api/organizations";
import { useCanEdit, useIsAdmin, useSession, useSignOut } from "@/api/session";
import type { Monitor } from "@/api/types";
import { useGetMonitors } from "@/api/uptime/useGetMonitors";
import { target } from "@/format/status";
import { statusOf } from "@/live/applyFeed";
import { chooseScheme, useScheme } from "@/theme";
import { useMoveTo } from "./useMoveTo";
import { StatusShape } from "./uptime/components/MonitorStatusBadge";
import { select } from "./uptime/listSearch";

interface Command { key: string; word: string; about?: string; icon?: ReactNode; run(): void }

const MOST = 12;
const none: Monitor[] = [];

/** Goes to any monitor or page, or does what can be done from anywhere, by typing a part of its name. */
export default function CommandPalette({ onClose }: { onClose(): void }) {
  const box = useRef<HTMLDialogElement>(null);
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const commands = useCommands(words);
  useLayoutEffect(() => { const dialog = box.current!; if (!dialog.open) dialog.showModal(); return () => dialog.close(); }, []);
  useEffect(() => { document.getElementById(`command-${at}`)?.scrollIntoView({ block: "nearest" }); }, [at]);

  const run = (command: Command | undefined) => { if (!command) return; onClose(); command.run(); };
  const press = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step && commands.length > 0) { e.preventDefault(); setAt((i) => (i + step + commands.length) % commands.length); }
    if (e.key === "Enter") { e.preventDefault(); run(commands[at]); }
  };
  return (
    <dialog ref={box} aria-label="Go to or do" className="mt-[10vh] w-[min(560px,calc(100vw-16px))] rounded-2xl border border-line-strong p-0"
      onCancel={(e) => { e.preventDefault(); onClose(); }} onClick={(e) => { if (e.target === e.currentTarget) onClose(); }}>
      <input className="w-full border-b border-line bg-card px-5 py-4 outline-none" placeholder="A monitor, a page, something to do…" aria-label="A monitor, a page, something to do" role="combobox" aria-expanded aria-controls="commands"
        aria-activedescendant={commands.length > 0 ? `command-${at}` : undefined} aria-autocomplete="list" autoFocus spellCheck={false} value={words} onChange={(e) => { setWords(e.target.value); setAt(0); }} onKeyDown={press} />
      <ul id="commands" role="listbox" aria-label="Found" className="max-h-[50vh] overflow-y-auto p-1.5">
        {commands.map((c, i) => (
          <li key={c.key} id={`command-${i}`} role="option" aria-selected={i === at} onMouseMove={() => setAt(i)} onClick={() => run(c)} className="flex cursor-pointer items-center gap-3 rounded-lg px-3.5 py-2 aria-selected:bg-raised">
            {c.icon}<span className="font-medium">{c.word}</span>{c.about && <span className="min-w-0 truncate text-sm text-ink-2">{c.about}</span>}
          </li>
        ))}
        {commands.length === 0 && <li className="px-3.5 py-3 text-ink-2" role="option" aria-selected={false} aria-disabled>Nothing is called so.</li>}
      </ul>
    </dialog>
  );
}

function useCommands(words: string): Command[] {
  const navigate = useNavigate();
  const { data, first } = useGetMonitors();
  const monitors = data ?? first ?? none;
  const canEdit = useCanEdit();
  const isAdmin = useIsAdmin();
  const signOut = useSignOut();
  const scheme = useScheme();
  const organizations = useOrganizations().data;
  const active = useSession().data?.organization?.id;
  const moveTo = useMoveTo();
  return useMemo(() => {
    const places: Command[] = [
      ...(canEdit ? [{ key: "create", word: "Add a monitor", run: () => void navigate({ to: "/uptime/create" }) }] : []),
      { key: "list", word: "Monitors", run: () => void navigate({ to: "/uptime" }) },
      { key: "down", word: "What is down", run: () => void navigate({ to: "/uptime", search: { status: "down" } }) },
      { key: "groups", word: "Groups", run: () => void navigate({ to: "/uptime/groups" }) },
      { key: "incidents", word: "Incidents", run: () => void navigate({ to: "/uptime/incidents" }) },
      { key: "maintenance", word: "Maintenance windows", run: () => void navigate({ to: "/uptime/maintenance" }) },
      { key: "channels", word: "Notification channels", run: () => void navigate({ to: "/uptime/notifications" }) },
      { key: "dead", word: "Messages that were given up", run: () => void navigate({ to: "/uptime/notifications", search: { tab: "dead" } }) },
      { key: "regions", word: "Regions and probers", run: () => void navigate({ to: "/uptime/regions" }) },
      ...(isAdmin ? [{ key: "notices", word: "Notices of this installation", run: () => void navigate({ to: "/uptime/notices" }) }] : []),
      { key: "settings", word: "Settings", run: () => void navigate({ to: "/uptime/settings" }) },
      { key: "members", word: "Members", run: () => void navigate({ to: "/uptime/settings", search: { tab: "members" } }) },
      ...(organizations ?? []).filter((o) => o.id !== active).map((o) => ({ key: `organization ${o.id}`, word: `Switch to ${o.name}`, about: "organization", run: () => moveTo(o) })),
      { key: "scheme", word: scheme === "dark" ? "Light appearance" : "Dark appearance", run: () => chooseScheme(scheme === "dark" ? "light" : "dark") },
      { key: "docs", word: "REST interface", run: () => location.assign("/api/docs") },
      { key: "out", word: "Sign out", run: () => signOut.mutate() },
    ];
    const wanted = words.trim().toLowerCase();
    const found = select(monitors, { q: wanted }).slice(0, MOST).map((m) => ({
      key: String(m.id), word: m.name ?? "", about: target(m), icon: <StatusShape status={statusOf(m)} />, run: () => void navigate({ to: "/uptime/$monitorId", params: { monitorId: m.id } }),
    }));
    const fitting = places.filter((p) => p.word.toLowerCase().includes(wanted));
    // Without a word the pages are the shorter way; with one it is mostly a monitor that is looked for.
    return (wanted ? [...found, ...fitting] : [...fitting, ...found]).slice(0, 2 * MOST);
  }, [words, navigate, monitors, canEdit, isAdmin, signOut, scheme, organizations, active, moveTo]);
}
