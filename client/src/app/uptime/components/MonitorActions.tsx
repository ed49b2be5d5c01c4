import { Link, useNavigate } from "@tanstack/react-router";
import { BadgeCheck, Bell, Construction, Copy, EllipsisVertical, FileCode, Pause, Pencil, Play, RefreshCw, Trash2 } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { lazy, Suspense, useState } from "react";
import { useCanEdit } from "@/api/session";
import type { Monitor } from "@/api/types";
import { useCheckMonitor } from "@/api/uptime/useCheckMonitor";
import { useDeleteMonitor } from "@/api/uptime/useDeleteMonitor";
import { useUpdateMonitor } from "@/api/uptime/useUpdateMonitor";
import { Confirm, Dialog } from "@/components/Dialog";
import { Failure } from "@/components/Notice";
import { resultWord } from "@/format/status";
import { announce } from "@/live/announce";

// Seldom looked at: not part of the first load.
const YamlView = lazy(() => import("./YamlView").then((m) => ({ default: m.YamlView })));
const BadgeView = lazy(() => import("./BadgeView").then((m) => ({ default: m.BadgeView })));

/** What can be done with a monitor: a menu in the list, buttons on its own page. Who may only read has what can be read. */
export function MonitorActions({ monitor, spread = false }: { monitor: Monitor; spread?: boolean }) {
  const canEdit = useCanEdit();
  const navigate = useNavigate();
  const update = useUpdateMonitor();
  const remove = useDeleteMonitor();
  const check = useCheckMonitor();
  const [asking, setAsking] = useState(false);
  const [reading, setReading] = useState<"yaml" | "badge">();
  const View = reading === "badge" ? BadgeView : YamlView;
  const read = reading && <Suspense><View monitor={monitor} onClose={() => setReading(undefined)} /></Suspense>;
  if (!canEdit) {
    if (!spread) return null;
    return (
      <>
        <Link to="/uptime/$monitorId/alerts" params={{ monitorId: monitor.id }} className="button"><Bell className="size-4" aria-hidden />Alert rules</Link>
        <button type="button" className="button" onClick={() => setReading("yaml")}><FileCode className="size-4" aria-hidden />As YAML</button>
        <button type="button" className="button" onClick={() => setReading("badge")}><BadgeCheck className="size-4" aria-hidden />Badge</button>
        {read}
      </>
    );
  }

  const { id, name } = monitor;
  const paused = monitor.enabled === false;
  const failed = update.error ?? remove.error ?? check.error;
  const dismiss = () => { update.reset(); remove.reset(); check.reset(); };
  const checkNow = () => { announce(`Checking ${name}`); check.mutate(id, { onSuccess: (event) => announce(`${name}: ${resultWord(event.status)}`) }); };
  const pause = () => update.mutate({ id, draft: { enabled: paused } }, { onSuccess: () => announce(`${name} ${paused ? "goes on" : "is paused"}`) });
  const deleteIt = () => remove.mutate(id, { onSuccess: () => { setAsking(false); announce(`${name} was deleted`); if (spread) void navigate({ to: "/uptime" }); }, onError: () => setAsking(false) });

  return (
    <>
      {spread && (
        <>
          <button type="button" className="button" onClick={checkNow} disabled={check.isPending}><RefreshCw className={`size-4 ${check.isPending ? "animate-spin" : ""}`} aria-hidden />Check now</button>
          <Link to="/uptime/$monitorId/edit" params={{ monitorId: id }} className="button"><Pencil className="size-4" aria-hidden />Edit</Link>
        </>
      )}
      <DropdownMenu.Root modal={false}>
        <DropdownMenu.Trigger className={`button button-icon ${spread ? "" : "button-plain"}`} aria-label={`Actions for ${name}`}><EllipsisVertical className="size-5" aria-hidden /></DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
            {!spread && (
              <>
                <DropdownMenu.Item className="menu-item" onSelect={checkNow}><RefreshCw className="size-4" aria-hidden />Check now</DropdownMenu.Item>
                <DropdownMenu.Item className="menu-item" asChild><Link to="/uptime/$monitorId/edit" params={{ monitorId: id }}><Pencil className="size-4" aria-hidden />Edit</Link></DropdownMenu.Item>
              </>
            )}
            <DropdownMenu.Item className="menu-item" onSelect={pause}>{paused ? <Play className="size-4" aria-hidden /> : <Pause className="size-4" aria-hidden />}{paused ? "Resume" : "Pause"}</DropdownMenu.Item>
            <DropdownMenu.Item className="menu-item" asChild><Link to="/uptime/$monitorId/alerts" params={{ monitorId: id }}><Bell className="size-4" aria-hidden />Alert rules</Link></DropdownMenu.Item>
            <DropdownMenu.Item className="menu-item" asChild><Link to="/uptime/maintenance" search={{ monitor: id }}><Construction className="size-4" aria-hidden />Maintenance…</Link></DropdownMenu.Item>
            <DropdownMenu.Item className="menu-item" asChild><Link to="/uptime/create" search={{ copy: id }}><Copy className="size-4" aria-hidden />Duplicate…</Link></DropdownMenu.Item>
            {spread && <DropdownMenu.Item className="menu-item" onSelect={() => setReading("yaml")}><FileCode className="size-4" aria-hidden />As YAML</DropdownMenu.Item>}
            {spread && <DropdownMenu.Item className="menu-item" onSelect={() => setReading("badge")}><BadgeCheck className="size-4" aria-hidden />Badge</DropdownMenu.Item>}
            <DropdownMenu.Item className="menu-item text-down" onSelect={() => setAsking(true)}><Trash2 className="size-4" aria-hidden />Delete…</DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
      {read}
      {asking && (
        <Confirm title={`Delete “${name}”?`} word="Delete" danger pending={remove.isPending} onConfirm={deleteIt} onClose={() => setAsking(false)}>
          It is no longer checked and leaves the list. Its history stays until it is too old.
        </Confirm>
      )}
      {failed && <Dialog title="That did not work" onClose={dismiss}><Failure error={failed} /></Dialog>}
    </>
  );
}
