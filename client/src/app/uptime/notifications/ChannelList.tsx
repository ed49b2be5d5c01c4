import { Plus } from "lucide-react";
import { useState } from "react";
import { useChangeChannel, useGetChannels, useTestChannel } from "@/api/notifications";
import { useIsAdmin } from "@/api/session";
import type { Channel } from "@/api/types";
import { Confirm } from "@/components/Dialog";
import { Failure, Notice } from "@/components/Notice";
import { Empty, Waiting } from "@/components/Page";
import { TimeAgo } from "@/components/Time";
import { millis } from "@/format/duration";
import { writeLength } from "@/format/length";
import { ChannelForm } from "./ChannelForm";
import { channelKinds } from "./channelKinds";

export function ChannelList() {
  const channels = useGetChannels();
  const canEdit = useIsAdmin();
  const [adding, setAdding] = useState(false);
  return (
    <>
      {canEdit && <p className="mb-3 flex justify-end"><button type="button" className="button button-main" onClick={() => setAdding(true)}><Plus className="size-4" aria-hidden />Add channel</button></p>}
      <Failure error={channels.error} retry={() => void channels.refetch()} />
      {channels.isPending && <Waiting rows={2} />}
      {channels.data && (channels.data.length === 0
        ? <div className="card"><Empty title="Nobody is told yet">{canEdit ? "Add a channel: mail, a chat, a pager or a webhook." : "Somebody with the role admin can add a channel."}</Empty></div>
        : <ul className="grid gap-2.5">{channels.data.map((c) => <ChannelRow key={c.id} channel={c} all={channels.data} canEdit={canEdit} />)}</ul>)}
      {adding && <ChannelForm onClose={() => setAdding(false)} />}
    </>
  );
}

function ChannelRow({ channel, all, canEdit }: { channel: Channel; all: Channel[]; canEdit: boolean }) {
  const change = useChangeChannel();
  const test = useTestChannel();
  const [asking, setAsking] = useState(false);
  const [editing, setEditing] = useState(false);
  const on = channel.enabled !== false;
  const about = [channelKinds[channel.type ?? ""]?.word ?? channel.type, (channel.trigger_events?.length ? channel.trigger_events : ["down", "recovery"]).join(", "),
    channel.monitor_ids ? `${channel.monitor_ids.length} monitors` : "all monitors", !on && "switched off"].filter(Boolean).join(" · ");
  const more = [channel.reminder_interval_seconds && `Reminds every ${writeLength(channel.reminder_interval_seconds)}`,
    channel.fallback_channel_id && `${channel.reminder_interval_seconds ? "falls" : "Falls"} back to “${all.find((c) => c.id === channel.fallback_channel_id)?.name ?? channel.fallback_channel_id}” after ${writeLength(channel.fallback_after_seconds ?? 300)}`].filter(Boolean).join(" · ");
  return (
    <li className="card grid gap-3 px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1"><p className={`font-semibold ${on ? "" : "text-ink-2"}`}>{channel.name}</p><p className="text-sm text-ink-2">{about}</p>{more && <p className="text-sm text-ink-2">{more}</p>}<Canary channel={channel} /></div>
        {canEdit && (
          <div className="flex flex-wrap gap-2">
            <button type="button" className="button button-small" disabled={test.isPending} aria-label={test.isPending ? undefined : `Send a test to ${channel.name}`} onClick={() => test.mutate(channel.id)}>{test.isPending ? "Sending…" : "Send a test"}</button>
            <button type="button" className="button button-small" aria-label={`Edit ${channel.name}`} onClick={() => setEditing(true)}>Edit</button>
            <button type="button" className="button button-small" disabled={change.isPending} aria-label={`Switch ${on ? "off" : "on"} ${channel.name}`} onClick={() => change.mutate({ kind: "update", id: channel.id, draft: { enabled: !on } })}>{on ? "Switch off" : "Switch on"}</button>
            <button type="button" className="button button-small button-danger" aria-label={`Delete ${channel.name}`} onClick={() => setAsking(true)}>Delete</button>
          </div>
        )}
      </div>
      <Failure error={change.error ?? test.error} />
      {test.data && (test.data.success
        ? <Notice tone="up" title={`The test was accepted in ${millis(test.data.duration_ms)}`} />
        : <Notice tone="down" title={`The test was not accepted: ${test.data.error ?? "no reason was given"}`} />)}
      {editing && <ChannelForm channel={channel} onClose={() => setEditing(false)} />}
      {asking && <Confirm title={`Delete “${channel.name}”?`} word="Delete" danger pending={change.isPending} onClose={() => setAsking(false)} onConfirm={() => change.mutate({ kind: "delete", id: channel.id }, { onSettled: () => setAsking(false) })}>Nobody is told over it any more.</Confirm>}
    </li>
  );
}

/** How the last test went that the channel was sent by itself. */
function Canary({ channel }: { channel: Channel }) {
  if (!channel.canary_interval_hours) return null;
  const every = `Tested every ${channel.canary_interval_hours === 1 ? "hour" : `${channel.canary_interval_hours} hours`}`;
  if (!channel.last_canary_at) return <p className="text-sm text-ink-2">{every}; not yet</p>;
  if (channel.last_canary_ok) return <p className="text-sm text-ink-2">{every}; taken <TimeAgo at={channel.last_canary_at} /></p>;
  return <p className="text-sm font-medium text-down"><span aria-hidden>✕ </span>{every}; not taken <TimeAgo at={channel.last_canary_at} />: {channel.last_canary_error ?? "no reason was given"}</p>;
}
