import { expect, test } from "vitest";
import type { Monitor } from "@/api/types";
import { worstCase } from "./worstCase";

const values = (part: Partial<Parameters<typeof worstCase>[0]> = {}) => ({ monitor_type: "http" as const, interval_seconds: "60", timeout_ms: "10000", confirm_down: "2", ...part });
const monitor = (part: Partial<Monitor>) => part as Monitor;

test("a gap, the time of each check, and the waits between them", () => {
  expect(worstCase(values())).toBe(60_000 + 20_000 + 20_000);
  expect(worstCase(values({ interval_seconds: "1", timeout_ms: "500", confirm_down: "3" }))).toBe(1000 + 1500 + 2000);
  expect(worstCase(values({ confirm_down: "1" }))).toBe(70_000);
});

test("a retry interval that was asked for stays, one that followed goes on following", () => {
  expect(worstCase(values({ interval_seconds: "30" }), monitor({ interval_seconds: 60, retry_interval_seconds: 5 }))).toBe(30_000 + 20_000 + 5000);
  expect(worstCase(values({ interval_seconds: "30" }), monitor({ interval_seconds: 60, retry_interval_seconds: 20 }))).toBe(30_000 + 20_000 + 10_000);
});

test("a TCP slot has its attempts", () => {
  expect(worstCase(values({ monitor_type: "tcp", timeout_ms: "1000" }), monitor({ interval_seconds: 60, retry_interval_seconds: 20, retries: { attempts: 3, delay_ms: 200 } as never }))).toBe(60_000 + 2 * 3400 + 20_000);
});

test("what is not there yet has no answer", () => {
  for (const part of [{ interval_seconds: "" }, { timeout_ms: "x" }, { confirm_down: "0" }]) expect(worstCase(values(part))).toBeUndefined();
});
