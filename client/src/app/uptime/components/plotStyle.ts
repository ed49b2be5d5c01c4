// How charts drawn by uPlot look in the page's colours.
import type uPlot from "uplot";
import { inZone } from "@/format/zone";
import { millis } from "@/format/duration";

export const HEIGHT = 240; // pixels

const clock = { hour: "2-digit", minute: "2-digit" } as const;
const day = { month: "short", day: "numeric" } as const;

/** A canvas does not know light-dark() nor variables: the browser is asked what each colour is now, in a node of the page. */
export function colorsIn(node: HTMLElement): { color(token: string): string; done(): void } {
  const probe = document.createElement("span");
  node.append(probe);
  return {
    color: (token) => {
      probe.style.color = `var(${token})`;
      return getComputedStyle(probe).color;
    },
    done: () => probe.remove(),
  };
}

/** Axes of time, in the reader's zone, and of milliseconds. */
export function axes(color: (token: string) => string): uPlot.Axis[] {
  const font = `12px ${getComputedStyle(document.documentElement).getPropertyValue("--font-sans") || "system-ui, sans-serif"}`;
  const axis = { stroke: color("--ink-2"), font, grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  return [
    { ...axis, size: 32, values: (_, splits, __, ___, step) => splits.map((s) => inZone(s * 1000, step >= 86_400 ? day : clock)) },
    { ...axis, size: 62, values: (_, splits) => splits.map((v) => millis(v)) },
  ];
}
