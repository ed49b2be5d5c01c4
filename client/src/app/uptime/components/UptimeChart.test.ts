import { describe, expect, it } from "vitest";
import type { UptimeBucket } from "@/api/types";
import { bucketTone, coverageWords } from "./UptimeChart";

const bucket = (uptime_percentage: number | null, coverage_percentage: number | null = 100, maintenance_seconds = 0) => ({ uptime_percentage, coverage_percentage, maintenance_seconds }) as UptimeBucket;

describe("bucketTone", () => {
  it.each([[100, "up"], [99.999, "partly"], [50, "down"], [0, "down"], [null, "unknown"]] as const)("%s is %s", (uptime, tone) => expect(bucketTone(bucket(uptime))).toBe(tone));
  it("is maintenance only where nothing else is known", () => {
    expect(bucketTone(bucket(null, null, 60))).toBe("maintenance");
    expect(bucketTone(bucket(null, 0, 60))).toBe("maintenance");
    expect(bucketTone(bucket(100, 100, 60))).toBe("up");
  });
  it("was not there before the monitor", () => expect(bucketTone(bucket(null, null))).toBe("before"));
});

describe("coverageWords", () => {
  it("does not claim what was not observed", () => {
    expect(coverageWords([bucket(100, 50), bucket(100, 100)])).toBe("75.00 % observed");
    expect(coverageWords([bucket(null, null)])).toBe("nothing known yet");
    expect(coverageWords([bucket(null, null, 60)])).toBe("in maintenance");
    expect(coverageWords([bucket(null, null), bucket(100, 100)])).toBe("all observed");
  });
  it("says no figure of a time of which nothing is known, but why", () => {
    expect(coverageWords([bucket(null, null), bucket(null, 0, 60)])).toBe("in maintenance");
    expect(coverageWords([bucket(null, 0)])).toBe("not observed yet");
    expect(coverageWords([{ ...bucket(null, 0, 60), missed_checks: 3 }])).toBe("nothing observed");
  });
});
