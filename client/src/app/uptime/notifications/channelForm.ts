// What the form of a channel holds, and how it becomes a channel and back.
import { z } from "zod";
import type { Channel, Draft, TriggerEvent } from "@/api/types";
import { parseLength, writeLength } from "@/format/length";
import { channelKinds, toConfig, toTyped } from "./channelKinds";

// The quick way that zod checks objects needs eval, which the content policy forbids; asking for it would be reported.
z.config({ jitless: true });

/** A length of time in seconds between two limits. */
const length = (least: number, most: number) =>
  z.string().trim().superRefine((text, ctx) => {
    const seconds = parseLength(text);
    if (seconds === undefined) ctx.addIssue({ code: "custom", message: "A number and a unit: s, min, h or d" });
    else if (seconds < least || seconds > most) ctx.addIssue({ code: "custom", message: `From ${writeLength(least)} to ${writeLength(most)}` });
  });
const lengthOrNothing = (least: number, most: number) => z.union([z.literal(""), length(least, most)]);
const whole = (least: number, most: number) => z.string().trim().regex(/^\d+$/, "A whole number").refine((s) => Number(s) >= least && Number(s) <= most, `From ${least} to ${most}`);

export const channelSchema = z
  .object({
    type: z.string(),
    name: z.string().trim().max(100, "At most 100 characters"),
    config: z.record(z.string(), z.string()),
    trigger_events: z.array(z.string()),
    scope: z.enum(["all", "some"]),
    monitor_ids: z.array(z.number()),
    reminder: lengthOrNothing(300, 604_800),
    canary_hours: z.union([z.literal(""), whole(1, 720)]),
    fallback_channel_id: z.string(),
    fallback_after: length(60, 86_400),
    digest: length(0, 3600),
    per_minute: whole(1, 600),
  })
  .superRefine((v, ctx) => {
    if (v.trigger_events.length === 0) ctx.addIssue({ code: "custom", path: ["trigger_events"], message: "Choose at least one" });
    if (v.scope === "some" && v.monitor_ids.length === 0) ctx.addIssue({ code: "custom", path: ["monitor_ids"], message: "Choose at least one" });
  });

export type ChannelValues = z.infer<typeof channelSchema>;

export const triggerWords: [TriggerEvent, string][] = [["down", "Something is down"], ["recovery", "It is up again"], ["degraded", "It is degraded"], ["operator", "This installation itself has a trouble"]];

/** Fills the form from a channel, or with what holds when nothing else is said. */
export function toChannelValues(c?: Channel): ChannelValues {
  const type = c?.type ?? "webhook";
  return {
    type, name: c?.name ?? "", config: toTyped(type, c?.config), trigger_events: c?.trigger_events?.length ? [...c.trigger_events] : ["down", "recovery"],
    scope: c?.monitor_ids ? "some" : "all", monitor_ids: (c?.monitor_ids ?? []).map(Number),
    reminder: c?.reminder_interval_seconds ? writeLength(c.reminder_interval_seconds) : "", canary_hours: c?.canary_interval_hours ? String(c.canary_interval_hours) : "",
    fallback_channel_id: c?.fallback_channel_id ? String(c.fallback_channel_id) : "", fallback_after: writeLength(c?.fallback_after_seconds ?? 300),
    digest: writeLength(c?.digest_window_seconds ?? 30), per_minute: String(c?.max_messages_per_minute ?? 30),
  };
}

/** Makes the body of a creation or a change. base is the channel that is changed, if one is. */
export function toChannel(v: ChannelValues, base?: Channel): Draft<Channel> {
  const draft: Draft<Channel> = {
    name: v.name || channelKinds[v.type]?.word || v.type, config: toConfig(v.type, v.config, base?.config) as never, trigger_events: v.trigger_events as TriggerEvent[],
    monitor_ids: v.scope === "all" ? null : (v.monitor_ids as never),
    reminder_interval_seconds: v.reminder ? parseLength(v.reminder)! : null, canary_interval_hours: v.canary_hours ? Number(v.canary_hours) : null,
    fallback_channel_id: v.fallback_channel_id ? Number(v.fallback_channel_id) : null, fallback_after_seconds: parseLength(v.fallback_after)!,
    digest_window_seconds: parseLength(v.digest)!, max_messages_per_minute: Number(v.per_minute),
  };
  return base ? draft : { type: v.type, ...draft };
}

const fields: Record<string, keyof ChannelValues> = {
  type: "type", name: "name", trigger_events: "trigger_events", monitor_ids: "monitor_ids", reminder_interval_seconds: "reminder", canary_interval_hours: "canary_hours",
  fallback_channel_id: "fallback_channel_id", fallback_after_seconds: "fallback_after", digest_window_seconds: "digest", max_messages_per_minute: "per_minute",
};

/** Finds the field of the form for the field that the server names; undefined means that the form has none. */
export function channelField(type: string, path: string): keyof ChannelValues | `config.${string}` | undefined {
  const setting = /^config\.([a-z_]+)/.exec(path)?.[1];
  if (setting) return channelKinds[type]?.fields.some((f) => f.name === setting) ? `config.${setting}` : undefined;
  return fields[path.replace(/[[.].*/, "")];
}

/** Channels that a channel may fall back to: not itself, and none that leads back to it. */
export function fallbackChoices(channels: readonly Channel[], self?: number): Channel[] {
  const next = new Map(channels.map((c) => [c.id, c.fallback_channel_id]));
  const leadsBack = (id: number) => {
    const seen = new Set<number>();
    for (let at: number | null | undefined = id; at && !seen.has(at); at = next.get(at)) {
      if (at === self) return true;
      seen.add(at);
    }
    return false;
  };
  return channels.filter((c) => self === undefined || !leadsBack(c.id));
}
