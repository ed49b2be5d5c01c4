import { expect, it } from "vitest";
import { toConfig } from "./channelKinds";

it("makes lists and numbers, and leaves out what is empty", () => {
  expect(toConfig("email", { to: "a@b.c, d@e.f", from: "x@y.z", host: "mail", port: "25", username: " " })).toEqual({ to: ["a@b.c", "d@e.f"], from: "x@y.z", host: "mail", port: 25 });
});
