import { expect, it } from "vitest";
import { offsetOf } from "./textPlace";

it("finds places of a text, also behind characters of two units", () => {
  const text = "a: b\n  🐸: frog\nend";
  expect(offsetOf(text, 1, 1)).toBe(0);
  expect(offsetOf(text, 1, 4)).toBe(3);
  expect(text.slice(offsetOf(text, 2, 6)).startsWith("frog")).toBe(true);
  expect(text.slice(offsetOf(text, 3, 1))).toBe("end");
});

it("takes what lies beyond for the end", () => {
  expect(offsetOf("ab\ncd", 1, 9)).toBe(2);
  expect(offsetOf("ab\ncd", 9, 1)).toBe(5);
});
