import { describe, expect, it } from "vitest";
import type { Prober, Region } from "@/api/types";
import { byRegion, commandHere, joinCommands, sayProber, sayRegion } from "./regionWords";

const region = (r: Partial<Region>): Region => ({ code: "eu", name: "eu", is_healthy: true, is_local: false, last_seen_at: null, probers: 1, monitors: 3, unplaced_monitors: 0, ...r });
const prober = (p: Partial<Prober>): Prober => ({ id: "eu-1", region: "eu", version: "1", connected: true, last_seen_at: null, health: "healthy", enrolled: true, monitors: 3, capacity: 9, capabilities: [], report: null, certificate_expires_at: null, ...p });

describe("what a region is", () => {
  it("says that monitors without a prober are unknown, and never that they are down", () => {
    const said = sayRegion(region({ probers: 0, monitors: 2, unplaced_monitors: 2 }), [prober({ health: "offline" })]);
    expect(said).toMatchObject({ status: "unknown", word: "No prober" });
    expect(said.means).toContain("2 monitors of this region are unknown here");
    expect(sayRegion(region({ probers: 0, monitors: 0 }), []).means).toBe("Nothing is checked from here.");
  });
  it("is not healthy while some monitors have no prober, or one is impaired", () => {
    expect(sayRegion(region({ unplaced_monitors: 1 }), [prober({})])).toMatchObject({ status: "degraded", means: "1 monitor of 3 has no prober that can check it, and is unknown here." });
    expect(sayRegion(region({}), [prober({}), prober({ health: "impaired" })]).status).toBe("degraded");
  });
  it("says that one prober alone has nobody who takes over, but not of the built-in one", () => {
    expect(sayRegion(region({}), [prober({})])).toEqual({ status: "up", word: "Healthy", means: "3 monitors are checked from here. If this prober fails, nobody takes over." });
    expect(sayRegion(region({ is_local: true, monitors: 1 }), [prober({})]).means).toBe("1 monitor is checked from here.");
  });
});

it("says what ails a prober in its own words", () => {
  const report = { faults: [{ error_type: "no_ipv6", message: "There is no route for IPv6.", since: null }] } as unknown as Prober["report"];
  expect(sayProber(prober({ health: "impaired", report }))).toEqual({ status: "degraded", word: "Impaired", means: "There is no route for IPv6." });
  expect(sayProber(prober({ health: "offline" })).means).toMatch(/does not renew its lease/);
  expect(sayProber(prober({})).means).toBe("");
});

it("puts probers to their regions", () => {
  const found = byRegion([region({}), region({ code: "us" })], [prober({}), prober({ id: "us-1", region: "us" })]);
  expect(found.map((f) => f.probers.map((p) => p.id))).toEqual([["eu-1"], ["us-1"]]);
});

it("puts the reader's address where the server knows none of its own", () => {
  expect(commandHere("frogup prober --join https://YOUR-SERVER --token t", "https://up.example")).toBe("frogup prober --join https://up.example --token t");
  expect(commandHere("frogup prober --join https://own.example", "https://up.example")).toBe("frogup prober --join https://own.example");
});

it("writes the commands for the address at which the reader is", () => {
  expect(joinCommands("https://up.example").map(([, text]) => text.includes("https://up.example"))).toEqual([true, true]);
});
