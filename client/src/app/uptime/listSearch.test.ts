import { describe, expect, it } from "vitest";
import type { CurrentStatus, Monitor } from "@/api/types";
import { divide, labelKeysOf, labelsOf, readListSearch, select, tally } from "./listSearch";

const monitor = (id: number, name: string, current_status: CurrentStatus, more: object = {}) =>
  ({ id, name, enabled: true, monitor_type: "http", http_config: { url: `https://${name}.example/` }, labels: {}, status: { current_status }, ...more }) as unknown as Monitor;

const all = [
  monitor(1, "web 10", "up", { labels: { team: "web" } }),
  monitor(2, "web 9", "up", { labels: { team: "web", env: "prod" } }),
  monitor(3, "db", "down", { monitor_type: "tcp", http_config: null, tcp_config: { host: "10.0.0.5", port: 5432 } }),
  monitor(4, "old", "paused"),
];
const divided = (by?: string) => divide(select(all, {}), by).map((g) => [g.word, g.monitors.map((m) => m.id)]);
const ids = (search: Parameters<typeof select>[1]) => select(all, search).map((m) => m.id);

describe("divide", () => {
  it("leaves one list as it is", () => expect(divided()).toEqual([["", [3, 2, 1, 4]]]));
  it("divides by state, the pressing ones first, and by kind", () => {
    expect(divided("state")).toEqual([["Down", [3]], ["Up", [2, 1]], ["Paused", [4]]]);
    expect(divided("kind")).toEqual([["HTTP", [2, 1, 4]], ["TCP", [3]]]);
  });
  it("divides by the values of a label, what has none last", () => {
    expect(labelKeysOf(all)).toEqual(["env", "team"]);
    expect(divided("label:env")).toEqual([["env=prod", [2]], ["Without env", [3, 1, 4]]]);
    expect(divided("label:nothing")).toEqual([["Without nothing", [3, 2, 1, 4]]]);
  });
  it("takes only what there is from the address", () => {
    expect(["state", "label:team", "label:", "phase", 7].map((group) => readListSearch({ group }).group)).toEqual(["state", "label:team", undefined, undefined, undefined]);
  });
});

describe("select", () => {
  it("puts what is down first and sorts names as people count", () => expect(ids({})).toEqual([3, 2, 1, 4]));
  it("finds by name and by target", () => {
    expect(ids({ q: "WEB" })).toEqual([2, 1]);
    expect(ids({ q: "10.0.0.5:54" })).toEqual([3]);
  });
  it("filters by state, kind and label", () => {
    expect(ids({ status: "down" })).toEqual([3]);
    expect(ids({ type: "tcp" })).toEqual([3]);
    expect(ids({ label: "team=web" })).toEqual([2, 1]);
    expect(ids({ label: "env" })).toEqual([2]);
    expect(ids({ label: "team=db" })).toEqual([]);
  });
  it("sorts ten thousand without a wait that one would see", () => {
    const many = Array.from({ length: 10_000 }, (_, i) => monitor(i, `m${i}`, i % 7 ? "up" : "down"));
    expect(select(many, { q: "m" })[0]!.id).toBe(0);
    expect(tally(many)).toEqual([["down", 1429], ["up", 8571]]);
  });
  it("follows names that change, and monitors that come and go", () => {
    expect(select([all[0]!, { ...all[1]!, name: "web 11" }], {}).map((m) => m.id)).toEqual([1, 2]);
    expect(select([all[1]!], {}).map((m) => m.id)).toEqual([2]);
    expect(ids({ sort: "name" })).toEqual([3, 4, 2, 1]);
  });
});

it("counts by state, pressing ones first", () => expect(tally(all)).toEqual([["down", 1], ["up", 2], ["paused", 1]]));
it("lists labels", () => expect(labelsOf(all)).toEqual(["env=prod", "team=web"]));
it("reads an address and leaves out what it does not know", () => {
  expect(readListSearch({ q: 7, status: "down", type: "icmp", sort: "x", label: "a=b", other: 1 })).toEqual({ q: "7", status: "down", label: "a=b" });
});
