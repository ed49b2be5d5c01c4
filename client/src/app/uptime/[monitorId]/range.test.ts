import { expect, test } from "vitest";
import { rangeOf, readRange } from "./range";

const now = Date.parse("2026-11-23T12:00:00Z");

test("an address says a range by its name or by both ends", () => {
  expect(readRange({ range: "7d" })).toEqual({ range: "7d" });
  expect(readRange({ range: "24h" })).toEqual({});
  expect(readRange({ range: "toString" })).toEqual({});
  const ends = { from: "2026-11-01T00:00:00.000Z", to: "2026-11-02T00:00:00.000Z" };
  expect(readRange({ ...ends, range: "7d" })).toEqual(ends);
  expect(readRange({ from: ends.to, to: ends.from })).toEqual({});
  expect(readRange({ from: ends.from })).toEqual({});
  expect(readRange({ from: "yesterday", to: "today" })).toEqual({});
});

test("a named range asks for what it says", () => {
  expect(rangeOf({}, now)).toMatchObject({ preset: "24h", ask: { preset: "24h" }, width: "hour", slots: 24 });
  expect(rangeOf({ range: "1y" }, now)).toMatchObject({ preset: "1y", width: "week", slots: 53 });
});

test("bars of a chosen range reach back to its begin, in a width that can be read", () => {
  const of = (from: string, to: string) => rangeOf({ from, to }, now);
  expect(of("2026-11-22T12:00:00Z", "2026-11-23T00:00:00Z")).toMatchObject({ width: "hour", slots: 26, ask: { from: "2026-11-22T12:00:00.000Z", to: "2026-11-23T00:00:00.000Z" } });
  expect(of("2026-10-24T12:00:00Z", "2026-11-23T12:00:00Z")).toMatchObject({ width: "day", slots: 32 });
  expect(of("2025-12-01T00:00:00Z", "2026-11-01T00:00:00Z")).toMatchObject({ width: "week", slots: 54 });
  // By the hour it would be all hours since then; and the server has bars of 400 days.
  expect(of("2026-03-01T00:00:00Z", "2026-03-01T06:00:00Z")).toMatchObject({ width: "day", slots: 270 });
  expect(of("2023-01-01T00:00:00Z", "2023-01-02T00:00:00Z")).toMatchObject({ width: "day", slots: 400 });
});

test("a bar that the range begins in is kept", () => {
  const { of } = rangeOf({ from: "2026-11-20T12:30:00Z", to: "2026-11-20T14:00:00Z" }, now);
  const starts = ["11:00", "12:00", "13:00", "14:00"].map((t) => Date.parse(`2026-11-20T${t}:00Z`));
  expect(starts.filter((t) => t >= of!.from && t < of!.to).length).toBe(2);
});
