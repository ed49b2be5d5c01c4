import { expect, it } from "vitest";
import type { BacktestResponse } from "@/api/types";
import { lineOf, place } from "./timeline";

const at = (hour: number) => `2026-11-01T${String(hour).padStart(2, "0")}:00:00Z`;
const line = { from: Date.parse(at(0)), to: Date.parse(at(10)) };

it("begins with the first check", () => {
  const b = { start_date: at(0), end_date: at(10), first_check: at(4) } as BacktestResponse;
  expect(lineOf(b)).toEqual({ from: Date.parse(at(4)), to: Date.parse(at(10)) });
  expect(lineOf({ ...b, first_check: null })).toEqual(line);
});
it("stands where it was, cut at the ends", () => {
  expect(place(line, at(1), at(3), 100, 1)).toEqual({ x: 10, width: 20 });
  expect(place(line, "2026-10-31T00:00:00Z", at(5), 100, 1)).toEqual({ x: 0, width: 50 });
  expect(place(line, at(9), null, 100, 1)).toEqual({ x: 90, width: 10 });
});
it("is never too thin to be seen, and never beyond the end", () => expect(place(line, at(10), at(10), 100, 2)).toEqual({ x: 98, width: 2 }));
it("is nowhere when it was at another time", () => expect(place(line, at(11), at(12), 100, 1)).toBeNull());
