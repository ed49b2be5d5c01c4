import { useNavigate, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useCanEdit } from "@/api/session";
import type { Monitor } from "@/api/types";
import { useCreateMonitor } from "@/api/uptime/useCreateMonitor";
import { useGetMonitor } from "@/api/uptime/useGetMonitor";
import { MayNot } from "@/app/MayNot";
import { Failure, Notice } from "@/components/Notice";
import { PageHead, Waiting } from "@/components/Page";
import { announce } from "@/live/announce";
import { copyOf } from "../components/copyOf";
import { MonitorForm } from "../components/MonitorForm";

export default function CreateMonitorPage() {
  const { copy } = useSearch({ from: "/uptime/create" });
  if (!useCanEdit()) return <MayNot what="add monitors" />;
  return <div className="mx-auto max-w-3xl">{copy === undefined ? <Create /> : <Copy key={copy} id={copy} />}</div>;
}

/** A new monitor that begins as another is. */
function Copy({ id }: { id: number }) {
  const monitor = useGetMonitor(id);
  if (monitor.error) return <Failure error={monitor.error} retry={() => void monitor.refetch()} />;
  return monitor.data && !monitor.isPlaceholderData ? <Create like={monitor.data} /> : <Waiting rows={3} className="h-40" />;
}

function Create({ like }: { like?: Monitor }) {
  const [copied] = useState(() => like && copyOf(like));
  const navigate = useNavigate();
  const create = useCreateMonitor();
  // One key for one configuration: sent twice by a slow line it makes one monitor, changed after an error it is another.
  const sent = useRef({ body: "", key: "" });
  return (
    <>
      <PageHead title={like ? `Duplicate ${like.name}` : "Add a monitor"} about={like ? "Everything of it is below, under another name." : "The defaults are good; only the address is needed."} />
      {copied && copied.left.length > 0 && <div className="mb-4"><Notice tone="degraded" title="Secrets are not copied; give them again where they are needed:"><ul>{copied.left.map((l) => <li key={l}>{l}</li>)}</ul></Notice></div>}
      <MonitorForm word="Add monitor" like={copied?.monitor} onCancel={() => void navigate({ to: "/uptime" })} save={async (draft) => {
        const body = JSON.stringify(draft);
        // randomUUID is there on secure origins only, and the product is also served on plain HTTP.
        if (sent.current.body !== body) sent.current = { body, key: Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("") };
        const monitor = await create.mutateAsync({ draft, idempotencyKey: sent.current.key });
        announce(`${monitor.name} was added`);
        await navigate({ to: "/uptime/$monitorId", params: { monitorId: monitor.id } });
      }} />
    </>
  );
}
