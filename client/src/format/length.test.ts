import { expect, it } from "vitest";
import { parseLength, writeLength } from "./length";

it("reads what people type", () => {
  expect(["90 s", "5 min", "5m", "1h30m", "1 h 30 min", "2 days", "0"].map(parseLength)).toEqual([90, 300, 300, 5400, 5400, 172_800, 0]);
});
it("does not guess", () => expect(["", "5", "min", "5 parsecs", "5 constructor", "1.5 h", "-1 s", "h 5"].map(parseLength)).toEqual(Array(8).fill(undefined)));
it("writes what it reads back", () => {
  for (const s of [0, 1, 59, 60, 61, 300, 3600, 5400, 86_399, 86_400, 604_800]) expect(parseLength(writeLength(s))).toBe(s);
  expect(writeLength(5400)).toBe("1 h 30 min");
});
