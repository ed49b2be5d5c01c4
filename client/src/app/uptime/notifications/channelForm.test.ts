import { describe, expect, it } from "vitest";
import type { Channel } from "@/api/types";
import { channelField, channelSchema, fallbackChoices, toChannel, toChannelValues } from "./channelForm";

const channel = (part: Partial<Channel>) => ({ id: 1, type: "slack", name: "ops", config: { url: "***" }, trigger_events: ["down"], monitor_ids: null, ...part }) as Channel;
const errors = (values: object) => {
  const got = channelSchema.safeParse({ ...toChannelValues(), ...values });
  return got.success ? [] : got.error.issues.map((i) => i.path[0]);
};

describe("channelSchema", () => {
  it("takes the defaults", () => expect(errors({})).toEqual([]));
  it("names what is no length, no number, and out of bounds", () => {
    expect(errors({ reminder: "4 min", canary_hours: "721", fallback_after: "5", digest: "2 h", per_minute: "0" })).toEqual(["reminder", "canary_hours", "fallback_after", "digest", "per_minute"]);
  });
  it("wants something to tell, of something", () => expect(errors({ trigger_events: [], scope: "some" })).toEqual(["trigger_events", "monitor_ids"]));
});

describe("toChannel", () => {
  it("gives a changed channel back as it was, without its secrets", () => {
    const base = channel({ monitor_ids: [7] as never, reminder_interval_seconds: 5400, canary_interval_hours: 24, fallback_channel_id: 2, fallback_after_seconds: 100, digest_window_seconds: 0, max_messages_per_minute: 5 });
    expect(toChannel(toChannelValues(base), base)).toEqual({
      name: "ops", config: {}, trigger_events: ["down"], monitor_ids: [7], reminder_interval_seconds: 5400, canary_interval_hours: 24,
      fallback_channel_id: 2, fallback_after_seconds: 100, digest_window_seconds: 0, max_messages_per_minute: 5,
    });
  });
  it("switches off what is left empty, and names a new one by its kind", () => {
    const draft = toChannel({ ...toChannelValues(), config: { url: "https://a" } });
    expect(draft).toMatchObject({ type: "webhook", name: "Webhook", monitor_ids: null, reminder_interval_seconds: null, canary_interval_hours: null, fallback_channel_id: null });
  });
});

it("finds the field that the server means", () => {
  expect(channelField("email", "config.to")).toBe("config.to");
  expect(channelField("email", "config.template")).toBeUndefined();
  expect(channelField("email", "monitor_ids[0]")).toBe("monitor_ids");
  expect(channelField("email", "reminder_interval_seconds")).toBe("reminder");
  expect(channelField("email", "odd")).toBeUndefined();
});

it("offers no fallback that leads back", () => {
  const all = [channel({ id: 1 }), channel({ id: 2, fallback_channel_id: 1 }), channel({ id: 3, fallback_channel_id: 2 }), channel({ id: 4 })];
  expect(fallbackChoices(all, 1).map((c) => c.id)).toEqual([4]);
  expect(fallbackChoices(all, 3).map((c) => c.id)).toEqual([1, 2, 4]);
  expect(fallbackChoices(all).map((c) => c.id)).toEqual([1, 2, 3, 4]);
});
