import { describe, expect, test } from "vitest";
import type { TimelineEntry, TimelineKind } from "@/api/types";
import { sayEntry, withoutRepeats } from "./timelineWords";

const entry = (kind: TimelineKind | string, more: Partial<TimelineEntry> = {}) => ({
  at: "2026-11-23T03:00:00.000Z", kind, actor: "system", actor_name: null, regions: [], error_type: null, error: null, failures: null, monitor_id: null,
  monitor_name: null, changes: null, alert_id: null, channel_id: null, target_name: null, target_type: null, condition: null, value: null, threshold: null,
  message_type: null, delivery_id: null, delivery_state: null, attempts: null, status_code: null, note_id: null, text: null, edited_at: null,
  confirmed_at: null, lasted_seconds: null, ...more,
}) as TimelineEntry;

describe("what an entry says", () => {
  const delivered = { message_type: "monitor.down", delivery_id: "msg_1", delivery_state: "delivered", channel_id: 3, target_name: "ops", attempts: 1, lasted_seconds: 0.42 } as const;
  test.each([
    ["first_failure", {}, "First failing check", undefined, "degraded"],
    ["confirmed_down", { regions: ["eu", "us"], error_type: "connection_refused", error: "nobody listens", failures: 2 }, "Confirmed down in eu and us", "connection refused: nobody listens · 2 failures in a row", "down"],
    ["confirmed_down", {}, "Confirmed down", undefined, "down"],
    ["region_down", { regions: ["ap"], error_type: "dns_failure" }, "ap sees it down too", "dns failure", "down"],
    ["region_down", { regions: ["ap", "eu", "us"] }, "ap, eu and us see it down too", undefined, "down"],
    ["region_up", { regions: ["ap"] }, "ap no longer sees it down", undefined, "up"],
    ["held", { monitor_id: 4, monitor_name: "router" }, "Nobody is told any more", "router, which it depends on, is down too.", "quiet"],
    ["held", { monitor_id: 4 }, "Nobody is told any more", "Monitor 4, which it depends on, is down too.", "quiet"],
    ["alert_triggered", { alert_id: 9, condition: "consecutive_failures", value: 3, threshold: 3 }, "Alert rule 9 triggered", "3 failures in a row, the threshold is 3", "degraded"],
    ["alert_resolved", { alert_id: 9, lasted_seconds: 61 }, "Alert rule 9 resolved", "after 1 min 1 s", "up"],
    ["message_delivered", delivered, "Outage told to ops", "after 420 ms", "message"],
    ["message_delivered", { ...delivered, attempts: 2 }, "Outage told to ops", "after 420 ms, at the 2nd attempt", "message"],
    ["message_delivered", { ...delivered, attempts: 11, target_name: null }, "Outage told to channel 3, which was deleted", "after 420 ms, at the 11th attempt", "message"],
    ["message_delivered", { ...delivered, message_type: "monitor.reminder" }, "Reminder told to ops", "after 420 ms", "message"],
    ["message_failed", { ...delivered, delivery_state: "pending", attempts: 3, error: "answered 503" }, "Outage did not reach ops", "3 attempts: answered 503. It will be tried again.", "down"],
    ["message_failed", { ...delivered, delivery_state: "dead", error: "gone" }, "Outage did not reach ops", "1 attempt: gone. It was given up.", "down"],
    ["message_queued", { ...delivered, delivery_state: "pending" }, "Outage written for ops", "It is under way.", "message"],
    ["message_queued", { ...delivered, channel_id: null, target_name: null, alert_id: 9, target_type: "webhook", message_type: "alert.triggered", delivery_state: "dead" }, "Alert written for webhook of alert rule 9", "It was given up.", "message"],
    ["acknowledged", { actor_name: "ann@example.com" }, "Acknowledged by ann@example.com", undefined, "person"],
    ["note", { actor_name: "ann", text: "it was\nthe cable", edited_at: "2026-11-23T03:10:00.000Z" }, "Note by ann (edited)", "it was\nthe cable", "person"],
    ["resolved", { actor_name: "ann", lasted_seconds: 120 }, "Resolved by ann", "2 min after the first failing check", "person"],
    ["recovered", { lasted_seconds: 3600 }, "Recovered", "Down for 1 h.", "up"],
    ["went_down", { regions: ["eu"], error_type: "dns_failure", failures: 2 }, "Down again in eu", "dns failure · 2 failures in a row", "down"],
    ["came_up", {}, "Up again, but unstable", "The incident stays open until it has been steady for long enough.", "up"],
    ["closed", { lasted_seconds: 5 }, "Ended, because nobody looks any more", "The monitor was paused or deleted after 5 s.", "quiet"],
    ["something_new", {}, "something new", undefined, "quiet"],
  ] as [string, Partial<TimelineEntry>, string, string | undefined, string][])("%s %o", (kind, more, title, detail, tone) => {
    expect(sayEntry(entry(kind, more))).toEqual(detail === undefined ? { tone, title } : { tone, title, detail });
  });
});

test("what was unstable was not down all the time", () => {
  expect(sayEntry(entry("recovered", { lasted_seconds: 3600 }), true).detail).toBe("1 h after the first failing check");
});

test("that a message was written is not said twice", () => {
  const entries = [
    entry("message_queued", { delivery_id: "a" }), entry("message_queued", { delivery_id: "b" }), entry("message_queued", { delivery_id: "c" }),
    entry("message_delivered", { delivery_id: "a" }), entry("message_failed", { delivery_id: "b" }), entry("note"),
  ];
  expect(withoutRepeats(entries).map((e) => [e.kind, e.delivery_id])).toEqual([["message_queued", "c"], ["message_delivered", "a"], ["message_failed", "b"], ["note", null]]);
});
