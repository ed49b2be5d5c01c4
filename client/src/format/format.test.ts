import { describe, expect, it } from "vitest";
import { ago, millis, span } from "./duration";
import { percent } from "./percent";

describe("percent", () => {
  it.each([
    [100, "100 %"], [99.997, "99.997 %"], [99.9999, "99.999 %"], [99.5, "99.50 %"], [3.14, "3.1 %"], [0, "0.0 %"], [null, "–"], [undefined, "–"],
  ])("writes %s as %s", (value, text) => expect(percent(value)).toBe(text));
});

describe("millis", () => {
  it.each([[0.42, "0.4 ms"], [38.4, "38 ms"], [1240, "1.24 s"], [50_000, "50.0 s"], [180_000, "3 min"], [null, "–"]])("writes %s as %s", (ms, text) =>
    expect(millis(ms)).toBe(text),
  );
});

describe("span", () => {
  it.each([[0, "0 s"], [59, "59 s"], [61, "1 min 1 s"], [3600, "1 h"], [90_000, "1 d 1 h"], [86_400 * 40 + 3600, "40 d"], [-5, "0 s"]])("writes %s as %s", (s, text) =>
    expect(span(s)).toBe(text),
  );
});

describe("ago", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  it.each([[null, "never"], ["2026-01-02T03:04:04Z", "just now"], ["2026-01-02T03:03:05Z", "1 min ago"], ["2026-01-02T03:04:09Z", "just now"]])("writes %s as %s", (at, text) =>
    expect(ago(at, now)).toBe(text),
  );
});
