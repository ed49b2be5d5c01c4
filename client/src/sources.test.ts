// What the sources must never do.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const here = import.meta.dirname;
const files = readdirSync(here, { recursive: true, encoding: "utf8" }).filter((f) => /\.tsx?$/.test(f) && !f.endsWith(".test.ts") && !f.endsWith("schema.ts"));

it("puts people's words in as text", () => {
  const bad = files.filter((f) => /innerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write/.test(readFileSync(path.join(here, f), "utf8")));
  expect(bad).toEqual([]);
});

it("speaks to no other host", () => {
  const bad = files.filter((f) => /(?:fetch|EventSource|import)\(\s*["'`]https?:/.test(readFileSync(path.join(here, f), "utf8")));
  expect(bad).toEqual([]);
});

it("keeps files short enough to be read", () => {
  const long = files.filter((f) => readFileSync(path.join(here, f), "utf8").split("\n").length > 400);
  expect(long).toEqual([]);
});
