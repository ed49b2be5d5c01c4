import { expect, test } from "vitest";
import { classShare, marksOf } from "./histogramMarks";

const classes = [{ from_ms: 0, to_ms: 1, count: 1 }, { from_ms: 1, to_ms: 10, count: 8 }, { from_ms: 10, to_ms: 100, count: 1 }];
const times = (p50: number | null, p95: number | null, p99: number | null) => ({ p50, p95, p99 }) as never;

test("lines stand in the class of their value, by ratio", () => {
  const marks = marksOf({ histogram: classes, response_time: times(Math.sqrt(10), 10, 100) });
  expect(marks.map((m) => [m.word, Number(m.place.toFixed(6))])).toEqual([["half", 1.5], ["95 %", 2], ["99 %", 3]]);
  expect(marksOf({ histogram: classes, response_time: times(0.5, null, null) }).map((m) => m.place)).toEqual([0.5]);
  expect(marksOf({ histogram: [], response_time: null })).toEqual([]);
});

test("a quantile beside the bounds of a class stays within the drawing", () => {
  expect(marksOf({ histogram: [{ from_ms: 5, to_ms: 6, count: 1 }], response_time: times(4.9, 6.1, null) }).map((m) => m.place)).toEqual([0, 1]);
});

test("a few of many are not none", () => {
  expect([classShare(0, 10), classShare(1, 100_000), classShare(1, 50), classShare(1, 3), classShare(3, 3)]).toEqual(["0 %", "< 0.1 %", "2.0 %", "33 %", "100 %"]);
});
