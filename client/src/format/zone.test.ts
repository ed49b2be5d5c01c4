import { afterEach, expect, it } from "vitest";
import { moment } from "./duration";
import { chooseZone, deviceZone, fullMoment, isKnownZone, zone } from "./zone";

afterEach(() => chooseZone(""));

const at = "2026-03-01T23:30:00Z";

it("writes times on the clock that was chosen, and the day of that clock", () => {
  chooseZone("UTC");
  expect(fullMoment(at)).toMatch(/23:30:00.*UTC|11:30:00.*UTC/);
  expect(moment(at, Date.parse("2026-03-02T00:10:00Z"))).toMatch(/Mar/);
  chooseZone("Asia/Tokyo");
  expect(moment(at, Date.parse("2026-03-02T00:10:00Z"))).toMatch(/^0?8:30:00/);
});

it("goes back to the device's, also for what is no zone", () => {
  chooseZone("Asia/Tokyo");
  expect(zone()).toBe("Asia/Tokyo");
  chooseZone("Atlantis");
  expect(zone()).toBe(deviceZone());
  expect([isKnownZone("Europe/Berlin"), isKnownZone(""), isKnownZone("Atlantis")]).toEqual([true, false, false]);
});
