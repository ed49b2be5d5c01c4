import { describe, expect, it } from "vitest";
import type { UptimeBucket } from "@/api/types";
import { bucketTone, coverageWords } from "./UptimeChart";

const bucket = (uptime_percentage: number | null, coverage_percentage: number | null = 100) => ({ uptime_percentage, coverage_percentage }) as UptimeBucket;

describe("bucketTone", () => {
  it.each([[100, "up"], [99.999, "partly"], [50, "down"], [0, "down"], [null, "unknown"]] as const)("%s is %s", (uptime, tone) => expect(bucketTone(bucket(uptime))).toBe(tone));
  it("was not there before the monitor", () => expect(bucketTone(bucket(null, null))).toBe("before"));
});

describe("coverageWords", () => {
  it("does not claim what was not observed", () => {
    expect(coverageWords([bucket(100, 50), bucket(100, 100)])).toBe("75.00 % observed");
    expect(coverageWords([bucket(null, null)])).toBe("nothing known yet");
    expect(coverageWords([bucket(null, null), bucket(100, 100)])).toBe("all observed");
  });
});
