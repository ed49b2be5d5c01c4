import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { Refusal } from "@/api/refusal";
import { useCanEdit } from "@/api/session";
import type { Monitor } from "@/api/types";
import { useGetMonitor } from "@/api/uptime/useGetMonitor";
import { useUpdateMonitor } from "@/api/uptime/useUpdateMonitor";
import { MayNot } from "@/app/MayNot";
import { NotFound } from "@/app/NotFound";
import { Failure } from "@/components/Notice";
import { PageHead, Waiting } from "@/components/Page";
import { announce } from "@/live/announce";
import { MonitorForm } from "../../components/MonitorForm";

export default function EditMonitorPage() {
  const { monitorId } = useParams({ from: "/uptime/$monitorId/edit" });
  const monitor = useGetMonitor(monitorId);
  const canEdit = useCanEdit();
  if (!canEdit) return <MayNot what="change monitors" />;
  if (monitor.error instanceof Refusal && monitor.error.status === 404) return <NotFound what="There is no such monitor." />;
  if (monitor.error) return <Failure error={monitor.error} retry={() => void monitor.refetch()} />;
  return <div className="mx-auto max-w-3xl">{monitor.data && !monitor.isPlaceholderData ? <Edit read={monitor.data} /> : <Waiting rows={3} className="h-40" />}</div>;
}

/** What was read when the form was opened is what is changed: news that comes in meanwhile does not change it underhand. */
function Edit({ read }: { read: Monitor }) {
  const [monitor] = useState(read);
  const navigate = useNavigate();
  const update = useUpdateMonitor();
  const back = () => navigate({ to: "/uptime/$monitorId", params: { monitorId: monitor.id } });
  return (
    <>
      <PageHead title={`Edit ${monitor.name}`} about={monitor.managed_by ? `Managed by ${monitor.managed_by}, which may write over what you change here.` : undefined} />
      <MonitorForm word="Save" monitor={monitor} onCancel={() => void back()} save={async (draft) => {
        try {
          await update.mutateAsync({ id: monitor.id, draft, version: monitor.version });
        } catch (error) {
          if (error instanceof Refusal && error.status === 412) throw new Error("Somebody changed this monitor since you opened it. Load the page anew to see the change; what you typed is lost then.");
          throw error;
        }
        announce("Saved");
        await back();
      }} />
    </>
  );
}
