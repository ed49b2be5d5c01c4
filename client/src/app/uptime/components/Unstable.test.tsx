import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import type { Incident } from "@/api/types";
import { isUnstable, Unstable } from "./Unstable";

const say = (more: Partial<Incident>) => renderToStaticMarkup(<Unstable incident={more as Incident} />).replace(/<svg.*?<\/svg>/, "[shape] ").replace(/<[^>]*>/g, "");
const since = "2026-11-23T03:00:00.000Z";

test("an unstable monitor has a shape and words of its own, and what it is now", () => {
  const unstable = { since, until: null, changes: 9 };
  expect(say({ unstable, up_since: null })).toMatch(/^\[shape\] Unstable since .+, changed 9 times; down now\.$/);
  expect(say({ unstable, up_since: since })).toMatch(/^\[shape\] Unstable since .+, changed 9 times; up since .+\.$/);
  expect(say({ unstable: { ...unstable, until: since }, up_since: since })).toMatch(/^\[shape\] It was unstable from .+ until .+, changed 9 times\.$/);
  expect(say({ unstable: null })).toBe("");
});

test("what was unstable is so no more", () => {
  expect([null, { since, until: null, changes: 5 }, { since, until: since, changes: 5 }].map((unstable) => isUnstable({ unstable } as Incident))).toEqual([false, true, false]);
});
