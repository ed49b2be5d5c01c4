import { describe, expect, it } from "vitest";
import { type ChartCursor, pressChart } from "./chartKeys";

const known = [2, 3, 7, 8, 9];
const press = (key: string, cursor: Partial<ChartCursor> = {}, shift = false, zoomed = false) => pressChart(key, shift, { at: null, from: null, ...cursor }, known, zoomed);

describe("the keys of a chart", () => {
  it("go from one known point to the next, and no further than the ends", () => {
    expect(press("ArrowRight")?.cursor.at).toBe(2);
    expect(press("ArrowLeft")?.cursor.at).toBe(9);
    expect(press("ArrowRight", { at: 3 })?.cursor.at).toBe(7);
    expect(press("ArrowLeft", { at: 7 })?.cursor.at).toBe(3);
    expect(press("ArrowRight", { at: 5 })?.cursor.at).toBe(7);
    expect(press("ArrowRight", { at: 9 })?.cursor.at).toBe(9);
    expect(press("ArrowLeft", { at: 2 })?.cursor.at).toBe(2);
    expect([press("Home", { at: 8 })?.cursor.at, press("End", { at: 2 })?.cursor.at, press("PageDown", { at: 2 })?.cursor.at, press("PageUp", { at: 9 })?.cursor.at]).toEqual([2, 9, 9, 2]);
  });
  it("choose a range by Shift, or by Enter at both ends", () => {
    expect(press("ArrowRight", { at: 3 }, true)?.cursor).toEqual({ at: 7, from: 3 });
    expect(press("ArrowRight", { at: 7, from: 3 })?.cursor).toEqual({ at: 8, from: 3 });
    expect(press("Enter", { at: 3 })?.cursor).toEqual({ at: 3, from: 3 });
    expect(press("Enter", { at: 3, from: 3 })?.zoom).toBeUndefined();
    expect(press("Enter", { at: 3, from: 8 })).toEqual({ cursor: { at: 3, from: null }, zoom: [3, 8] });
  });
  it("go back by Escape: first of the range, then of the zoom", () => {
    expect(press("Escape", { at: 8, from: 3 }, false, true)).toMatchObject({ cursor: { at: 8, from: null } });
    expect(press("Escape", { at: 8 }, false, true)).toMatchObject({ zoom: "whole" });
    expect(press("Escape", { at: 8 })).toBeUndefined();
  });
  it("leave all others, and a chart of nothing, to the page", () => {
    expect(press("Tab")).toBeUndefined();
    expect(press("Enter")).toBeUndefined();
    expect(pressChart("ArrowRight", false, { at: null, from: null }, [], false)).toBeUndefined();
  });
});
