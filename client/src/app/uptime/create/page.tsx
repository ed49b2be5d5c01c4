import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { useCanEdit } from "@/api/session";
import { useCreateMonitor } from "@/api/uptime/useCreateMonitor";
import { MayNot } from "@/app/MayNot";
import { PageHead } from "@/components/Page";
import { announce } from "@/live/announce";
import { MonitorForm } from "../components/MonitorForm";

export default function CreateMonitorPage() {
  return useCanEdit() ? <Create /> : <MayNot what="add monitors" />;
}

function Create() {
  const navigate = useNavigate();
  const create = useCreateMonitor();
  // One key for one configuration: sent twice by a slow line it makes one monitor, changed after an error it is another.
  const sent = useRef({ body: "", key: "" });
  return (
    <div className="mx-auto max-w-3xl">
      <PageHead title="Add a monitor" about="The defaults are good; only the address is needed." />
      <MonitorForm word="Add monitor" onCancel={() => void navigate({ to: "/uptime" })} save={async (draft) => {
        const body = JSON.stringify(draft);
        // randomUUID is there on secure origins only, and the product is also served on plain HTTP.
        if (sent.current.body !== body) sent.current = { body, key: Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("") };
        const monitor = await create.mutateAsync({ draft, idempotencyKey: sent.current.key });
        announce(`${monitor.name} was added`);
        await navigate({ to: "/uptime/$monitorId", params: { monitorId: monitor.id } });
      }} />
    </div>
  );
}
