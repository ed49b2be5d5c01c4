import { expect, it } from "vitest";
import { channelKinds, isStored, offeredKinds, otherSettings, toConfig, toTyped } from "./channelKinds";

it("makes lists and numbers, and leaves out what is empty", () => {
  expect(toConfig("email", { to: "a@b.c, d@e.f", from: "x@y.z", host: "mail", port: "25", username: " " })).toEqual({ to: ["a@b.c", "d@e.f"], from: "x@y.z", host: "mail", port: 25 });
});

it("keeps a stored secret that nothing is typed for, and takes away what was emptied", () => {
  const base = { from: "a@b.c", host: "mail", password: "***", port: 25, to: ["x@y.z"], username: "u" };
  expect(toTyped("email", base)).toEqual({ to: "x@y.z", from: "a@b.c", host: "mail", port: "25", security: "", username: "u", password: "", trusted_cas: "" });
  expect(toConfig("email", { ...toTyped("email", base), port: "" }, base)).toEqual({ to: ["x@y.z"], from: "a@b.c", host: "mail", port: null, username: "u" });
  expect(toConfig("email", { ...toTyped("email", base), password: "new" }, base).password).toBe("new");
});

it("sends nothing back of what it cannot read", () => {
  for (const [type, kind] of Object.entries(channelKinds)) {
    const base = Object.fromEntries(kind.fields.map((f) => [f.name, f.secret ? "***" : f.oneOf ? f.oneOf[1]![0] : f.kind === "number" ? 5 : "x"]));
    const again = toConfig(type, toTyped(type, base), base);
    expect(JSON.stringify(again), type).not.toContain("***");
    expect(Object.values(again), type).not.toContain(null);
  }
});

it("keeps certificates as they are, with their lines", () => {
  const pem = "-----BEGIN CERTIFICATE-----\nMIIB+A,B\n-----END CERTIFICATE-----";
  expect(toConfig("email", { trusted_cas: `${pem}\n` })).toEqual({ trusted_cas: [pem] });
  expect(toTyped("email", { trusted_cas: [pem, pem] }).trusted_cas).toBe(`${pem}\n${pem}`);
  expect(toConfig("email", { trusted_cas: "" }, { trusted_cas: [pem] })).toEqual({ trusted_cas: null });
});

it("leaves a wrong number to the server's words", () => expect(toConfig("email", { port: "ten" })).toEqual({ port: "ten" }));

it("knows what is stored, and what it has no field for", () => {
  expect([isStored({ url: "***" }, "url"), isStored({ has_secret: true }, "secret"), isStored({ has_secret: false }, "secret"), isStored(null, "url")]).toEqual([true, true, false, false]);
  expect(otherSettings("webhook", { url: "https://a", has_secret: true, headers: { A: "***" }, format: "template", template: null })).toEqual(["headers", "format"]);
  expect(otherSettings("webhook", { url: "https://a", headers: {} })).toEqual([]);
});

it("offers what the server takes, and the long tail only if it says so", () => {
  const offered = (types?: string[]) => offeredKinds(types).map(([type]) => type);
  expect(offered(undefined)).toEqual(Object.keys(channelKinds).filter((type) => type !== "shoutrrr"));
  expect(offered(["email", "slack", "pigeon"])).toEqual(["email", "slack"]);
  expect(offered(["email", "shoutrrr"])).toEqual(["email", "shoutrrr"]);
});
