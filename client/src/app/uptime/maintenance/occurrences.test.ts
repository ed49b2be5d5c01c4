import { describe, expect, it } from "vitest";
import { ScheduleError } from "./cron";
import { cases } from "./occurrences.cases";
import { nextOccurrences } from "./occurrences";
import { instantOf, wallOf } from "./wall";

const LENGTH = 5_400_000;
const schedule = (rule: string) => (rule.startsWith("FREQ") ? { rrule: rule } : { cron: rule });

describe("nextOccurrences says what the server says", () => {
  it.each(cases)("%s in %s from %s at %s", (rule, zone, start, now, starts) => {
    const got = nextOccurrences({ ...schedule(rule), zone, start: Date.parse(start), length: LENGTH }, Date.parse(now));
    expect(got.map((o) => new Date(o.start).toISOString().replace(".000Z", "Z")).join(" ")).toBe(starts);
    expect(got.every((o) => o.end - o.start === LENGTH)).toBe(true);
  });
});

it.each(["", "1 2 3", "61 * * * *", "* * * * *", "5-5 * * * *", "*,1 2 * * *", "0 2 * * 1#6", "0 2 * * 1,2#1", "FREQ=HOURLY", "FREQ", "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;COUNT=1;UNTIL=20270101", "FREQ=WEEKLY;BYDAY=1MO", "FREQ=DAILY;BYDAY=XX", "FREQ=DAILY;BYSETPOS=1", "FREQ=DAILY;UNTIL=soon"])("refuses “%s”", (rule) => {
  expect(() => nextOccurrences({ ...schedule(rule), zone: "UTC", start: 0, length: LENGTH }, 0)).toThrow(ScheduleError);
});
it("refuses a zone that is none", () => expect(() => nextOccurrences({ cron: "0 2 * * *", zone: "Europe/Nowhere", start: 0, length: LENGTH }, 0)).toThrow(ScheduleError));

it("knows the days on which clocks are changed", () => {
  const berlin = (wall: string) => new Date(instantOf(Date.parse(`${wall}Z`), "Europe/Berlin")).toISOString();
  expect(berlin("2027-03-28T02:30:00")).toBe("2027-03-28T01:00:00.000Z"); // skipped: the first instant after the gap
  expect(berlin("2026-10-25T02:30:00")).toBe("2026-10-25T00:30:00.000Z"); // shown twice: the first
  expect(new Date(wallOf(Date.parse("2026-07-01T10:00:00.250Z"), "Europe/Berlin")).toISOString()).toBe("2026-07-01T12:00:00.250Z");
});
