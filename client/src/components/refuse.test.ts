import { expect, it, vi } from "vitest";
import { Refusal } from "@/api/refusal";
import { placeRefusal } from "./refuse";

const wrong = (...fields: [string, string][]) => new Refusal(400, { error: "invalid request", details: fields.map(([field, message]) => ({ field, message })) });
const known = (path: string) => (path === "name" || path === "url" ? path : undefined);

it("puts each message at its field, and the focus at the first that there is one for", () => {
  const set = vi.fn();
  expect(placeRefusal(wrong(["odd", "must be even"], ["name", "is required"], ["url", "is none"]), known, set)).toEqual(new Error("odd: must be even"));
  expect(set.mock.calls).toEqual([["name", { message: "is required" }, { shouldFocus: true }], ["url", { message: "is none" }, { shouldFocus: false }]]);
});
it("leaves nothing over when all has a field", () => expect(placeRefusal(wrong(["url", "is none"]), known, vi.fn())).toBeNull());
it("leaves what names no field as it is", () => {
  const error = new Refusal(409, { error: "conflict" });
  expect(placeRefusal(error, known, vi.fn())).toBe(error);
});
