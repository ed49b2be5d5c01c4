import { expect, it } from "vitest";
import { runs } from "./Sparkline";

it("leaves a gap where nothing is known", () => {
  const got = runs([1, 2, null, 4, null]);
  expect(got.map((r) => r.length)).toEqual([2, 1]);
  expect(got[1]![0]!.y).toBeLessThan(got[0]![0]!.y);
});
it("bears no values at all", () => expect(runs([null, null])).toEqual([]));
