import { zodResolver } from "@hookform/resolvers/zod";
import { type ReactNode, useState } from "react";
import { type FieldPath, get, useForm } from "react-hook-form";
import { useChangeChannel, useGetChannels, useGetChannelTypes } from "@/api/notifications";
import type { Channel } from "@/api/types";
import { useGetMonitors } from "@/api/uptime/useGetMonitors";
import { Dialog } from "@/components/Dialog";
import { CheckField, SelectField, TextField } from "@/components/Field";
import { Failure, Notice } from "@/components/Notice";
import { placeRefusal } from "@/components/refuse";
import { MonitorPicker } from "../components/MonitorPicker";
import { channelField, channelSchema, type ChannelValues, fallbackChoices, toChannel, toChannelValues, triggerWords } from "./channelForm";
import { channelKinds, offeredKinds } from "./channelKinds";
import { ConfigFields } from "./ConfigFields";

/** Adds a channel, or changes one. What was read when it was opened is what is changed. */
export function ChannelForm({ channel: read, onClose }: { channel?: Channel; onClose(): void }) {
  const [channel] = useState(read);
  const form = useForm<ChannelValues>({ resolver: zodResolver(channelSchema), defaultValues: toChannelValues(channel) });
  const { register, watch, setValue, setError, handleSubmit, formState: { errors } } = form;
  const change = useChangeChannel();
  const channels = useGetChannels().data ?? [];
  const types = useGetChannelTypes().data;
  const monitors = useGetMonitors().data ?? [];
  const [general, setGeneral] = useState<unknown>(null);
  const type = watch("type");
  const kind = channelKinds[type];
  const field = (name: FieldPath<ChannelValues>) => ({ ...register(name), error: (get(errors, name) as { message?: string } | undefined)?.message });
  // A secret that was made is shown once, in the answer that makes it.
  const made = channel ? undefined : (change.data?.config as { secret?: string } | null | undefined)?.secret;
  const told = made && made !== "***" && watch("config.secret", "") === "" ? made : undefined;
  const submit = handleSubmit(async (values) => {
    setGeneral(null);
    const draft = toChannel(values, channel);
    try {
      const saved = await change.mutateAsync(channel ? { kind: "update", id: channel.id, draft } : { kind: "create", draft });
      const secret = (saved?.config as { secret?: string } | null | undefined)?.secret;
      if (channel || !secret || secret === "***" || values.config.secret) onClose();
    } catch (error) {
      setGeneral(placeRefusal(error, (path) => channelField(values.type, path), (name, e, options) => setError(name as FieldPath<ChannelValues>, e, options)));
    }
  });

  if (told) {
    return (
      <Dialog title="The channel was added" onClose={onClose}>
        <Notice tone="up" title="It signs with this secret, shown only this once."><code className="mt-1 block font-mono text-sm break-all select-all">{told}</code></Notice>
        <div className="mt-4 flex justify-end"><button type="button" className="button button-main" onClick={onClose}>Done</button></div>
      </Dialog>
    );
  }
  return (
    <Dialog kind="wide" title={channel ? `Edit “${channel.name}”` : "Add a channel"} onClose={onClose}>
      <form noValidate className="grid gap-5 *:min-w-0" onSubmit={submit}>
        <div className="grid gap-4 sm:grid-cols-2">
          {channel
            ? <div><p className="mb-1 font-medium">Kind</p><p className="flex min-h-10 items-center text-ink-2">{kind?.word ?? type}</p></div>
            : <SelectField label="Kind" {...field("type")}>{offeredKinds(types).map(([value, k]) => <option key={value} value={value}>{k.word}</option>)}</SelectField>}
          <TextField label="Name" placeholder={kind?.word} autoComplete="off" {...field("name")} />
          <ConfigFields type={type} base={channel?.config} field={field} />
        </div>

        <div className="grid gap-5 sm:grid-cols-2">
          <fieldset><legend className="mb-1 font-medium">Told when</legend>
            {triggerWords.map(([value, word]) => <CheckField key={value} label={word} value={value} {...register("trigger_events")} />)}
            {errors.trigger_events && <Wrong>{errors.trigger_events.message}</Wrong>}
          </fieldset>
          <fieldset><legend className="mb-1 font-medium">Of</legend>
            {([["all", "All monitors"], ["some", "Only some"]] as const).map(([value, word]) => <label key={value} className="flex items-center gap-2.5 py-1"><input type="radio" className="check" value={value} {...register("scope")} />{word}</label>)}
          </fieldset>
        </div>
        {watch("scope") === "some" && <MonitorPicker legend="Monitors" monitors={monitors} chosen={new Set(watch("monitor_ids"))} error={errors.monitor_ids?.message} onChange={(ids) => setValue("monitor_ids", [...ids], { shouldValidate: true })} />}

        <Group title="While something stays down, and while all is well">
          <TextField label="Remind every" placeholder="never" hint="Such as 1 h, until it is up or acknowledged." autoComplete="off" {...field("reminder")} />
          <TextField label="Test by itself every … hours" placeholder="never" hint="A message that says it is a test; a revoked token shows before it is needed." inputMode="numeric" autoComplete="off" {...field("canary_hours")} />
        </Group>
        <Group title="When it takes nothing">
          <SelectField label="Tell instead" {...field("fallback_channel_id")}>
            <option value="">Nobody</option>
            {fallbackChoices(channels, channel?.id).map((c) => <option key={c.id} value={c.id}>{c.name}{c.enabled === false ? " (switched off)" : ""}</option>)}
          </SelectField>
          <TextField label="After" hint="At once when a message is refused for good." autoComplete="off" {...field("fallback_after")} />
        </Group>
        <Group title="When many things fail at once">
          <TextField label="Gather messages for" hint="They come as one list; 0 sends each by itself." autoComplete="off" {...field("digest")} />
          <TextField label="Messages a minute, at most" hint="Further ones wait; none is lost." inputMode="numeric" autoComplete="off" {...field("per_minute")} />
        </Group>

        {general !== null && <Failure error={general} />}
        <div className="sticky bottom-0 -mx-5 -mb-4 flex justify-end gap-2 border-t border-line bg-card px-5 py-3">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-main" disabled={change.isPending}>{channel ? "Save" : "Add channel"}</button>
        </div>
      </form>
    </Dialog>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return <fieldset className="min-w-0 border-t border-line pt-3"><legend className="float-left mb-2 w-full text-sm font-semibold text-ink-2">{title}</legend><div className="clear-both grid gap-4 sm:grid-cols-2">{children}</div></fieldset>;
}

function Wrong({ children }: { children: ReactNode }) {
  return <p className="mt-1 text-sm font-medium text-down"><span aria-hidden>✕ </span>{children}</p>;
}
