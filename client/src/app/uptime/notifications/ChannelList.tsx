import { Plus } from "lucide-react";
import { useState } from "react";
import { useChangeChannel, useGetChannels, useTestChannel } from "@/api/notifications";
import { useCanEdit } from "@/api/session";
import type { Channel } from "@/api/types";
import { Confirm } from "@/components/Dialog";
import { Failure, Notice } from "@/components/Notice";
import { Empty, Waiting } from "@/components/Page";
import { millis } from "@/format/duration";
import { ChannelForm } from "./ChannelForm";
import { channelKinds } from "./channelKinds";

export function ChannelList() {
  const channels = useGetChannels();
  const canEdit = useCanEdit();
  const [adding, setAdding] = useState(false);
  return (
    <>
      {canEdit && <p className="mb-3 flex justify-end"><button type="button" className="button button-main" onClick={() => setAdding(true)}><Plus className="size-4" aria-hidden />Add channel</button></p>}
      <Failure error={channels.error} retry={() => void channels.refetch()} />
      {channels.isPending && <Waiting rows={2} />}
      {channels.data && (channels.data.length === 0
        ? <div className="card"><Empty title="Nobody is told yet">Add a channel: mail, a chat, a pager or a webhook.</Empty></div>
        : <ul className="grid gap-2.5">{channels.data.map((c) => <ChannelRow key={c.id} channel={c} canEdit={canEdit} />)}</ul>)}
      {adding && <ChannelForm onClose={() => setAdding(false)} />}
    </>
  );
}

function ChannelRow({ channel, canEdit }: { channel: Channel; canEdit: boolean }) {
  const change = useChangeChannel();
  const test = useTestChannel();
  const [asking, setAsking] = useState(false);
  const on = channel.enabled !== false;
  const about = [channelKinds[channel.type ?? ""]?.word ?? channel.type, (channel.trigger_events?.length ? channel.trigger_events : ["down", "recovery"]).join(", "),
    channel.monitor_ids ? `${channel.monitor_ids.length} monitors` : "all monitors", !on && "switched off"].filter(Boolean).join(" · ");
  return (
    <li className="card grid gap-3 px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1"><p className={`font-semibold ${on ? "" : "text-ink-2"}`}>{channel.name}</p><p className="text-sm text-ink-2">{about}</p></div>
        {canEdit && (
          <div className="flex flex-wrap gap-2">
            <button type="button" className="button button-small" disabled={test.isPending} onClick={() => test.mutate(channel.id)}>{test.isPending ? "Sending…" : "Send a test"}</button>
            <button type="button" className="button button-small" disabled={change.isPending} onClick={() => change.mutate({ kind: "update", id: channel.id, draft: { enabled: !on } })}>{on ? "Switch off" : "Switch on"}</button>
            <button type="button" className="button button-small button-danger" onClick={() => setAsking(true)}>Delete</button>
          </div>
        )}
      </div>
      <Failure error={change.error ?? test.error} />
      {test.data && (test.data.success
        ? <Notice tone="up" title={`The test was accepted in ${millis(test.data.duration_ms)}`} />
        : <Notice tone="down" title={`The test was not accepted: ${test.data.error ?? "no reason was given"}`} />)}
      {asking && <Confirm title={`Delete “${channel.name}”?`} word="Delete" danger pending={change.isPending} onClose={() => setAsking(false)} onConfirm={() => change.mutate({ kind: "delete", id: channel.id }, { onSettled: () => setAsking(false) })}>Nobody is told over it any more.</Confirm>}
    </li>
  );
}
