import { describe, expect, it } from "vitest";
import { changeLabels, runAll, toggled } from "./bulk";

describe("several at once", () => {
  it("does a few at a time, goes on after a failure, and says which failed", async () => {
    let running = 0;
    let most = 0;
    const steps: number[] = [];
    const outcome = await runAll([1, 2, 3, 4, 5, 6, 7], async (id) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      if (id === 3) throw new Error("no");
    }, (n) => steps.push(n));
    expect(outcome).toEqual({ done: 6, failed: [{ id: 3, error: new Error("no") }] });
    expect(most).toBe(4);
    expect(steps.at(-1)).toBe(7);
  });
  it("puts labels on and takes them off, and leaves alone what has them so", () => {
    expect(changeLabels({ team: "web", env: "prod" }, { team: "shop", tier: "" }, ["env"])).toEqual({ team: "shop", tier: "" });
    expect(changeLabels({ team: "web" }, { team: "web" }, ["env"])).toBeUndefined();
  });
  it("selects one, or all up to one", () => {
    expect([...toggled(new Set([9]), [9, 5, 7, 1], 7, true, undefined)]).toEqual([9, 7]);
    expect([...toggled(new Set([9]), [9, 5, 7, 1], 7, true, 9)]).toEqual([9, 5, 7]);
    expect([...toggled(new Set([9, 5, 7]), [9, 5, 7, 1], 5, false, 7)]).toEqual([9]);
    expect([...toggled(new Set(), [9, 5], 5, true, 4)]).toEqual([5]);
  });
});
