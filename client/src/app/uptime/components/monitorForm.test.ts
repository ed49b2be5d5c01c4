import { describe, expect, it } from "vitest";
import type { Monitor } from "@/api/types";
import { defaultName, emptyForm, formField, formSchema, otherRules, parseLabels, toForm, toMonitor } from "./monitorForm";

const errors = (values: object) => {
  const got = formSchema.safeParse({ ...emptyForm, ...values });
  return got.success ? [] : got.error.issues.map((i) => i.path[0]);
};

describe("formSchema", () => {
  it("takes the defaults with an address", () => expect(errors({ url: "https://example.com" })).toEqual([]));
  it("asks for what each kind needs", () => {
    expect(errors({})).toEqual(["url"]);
    expect(errors({ monitor_type: "tcp" })).toEqual(["host", "port"]);
    expect(errors({ monitor_type: "tls", host: "a" })).toEqual([]);
    expect(errors({ monitor_type: "tcp", host: "a", port: "65536" })).toEqual(["port"]);
  });
  it("names what is no number, no code and no header", () => {
    expect(errors({ url: "x", interval_seconds: "0", status_codes: "2xx", headers: "Accept" })).toEqual(["interval_seconds", "status_codes", "headers"]);
  });
});

describe("toMonitor", () => {
  it("says what it depends on, and that it depends on nothing any more", () => {
    const base = { monitor_type: "tcp", depends_on: [3, 4], tcp_config: { host: "a", port: 1 } } as unknown as Monitor;
    const draft = (ids: number[], of?: Monitor) => toMonitor({ ...emptyForm, monitor_type: "tcp", host: "a", port: "1", depends_on: ids }, of).depends_on;
    expect([toForm(base).depends_on, draft([4], base), draft([], base), draft([])]).toEqual([[3, 4], [4], [], undefined]);
    expect(formField("depends_on[0]")).toBe("depends_on");
  });
  it("makes an HTTP monitor", () => {
    expect(toMonitor({ ...emptyForm, url: "https://example.com/health", status_codes: "200, 204", headers: "Accept: text/html\nX-A: b:c", labels: "team=web, beta" })).toEqual({
      name: "example.com/health", monitor_type: "http", interval_seconds: 60, confirm_down: 2, confirm_up: 1, regions: ["local"], labels: { team: "web", beta: "" },
      validation_rules: [{ type: "status_code", operator: "in", value: [200, 204] }],
      http_config: { url: "https://example.com/health", method: "GET", timeout_ms: 10_000, follow_redirects: true, headers: { Accept: "text/html", "X-A": "b:c" }, auth: { type: "none" } },
    });
  });
  it("makes a TCP and a TLS monitor", () => {
    expect(toMonitor({ ...emptyForm, monitor_type: "tcp", host: "db", port: "5432" })).toMatchObject({ name: "db:5432", tcp_config: { host: "db", port: 5432 }, validation_rules: [] });
    expect(toMonitor({ ...emptyForm, monitor_type: "tls", host: "db" })).toMatchObject({ tls_config: { host: "db", timeout_ms: 10_000 }, validation_rules: [{ value: 14 }] });
  });
  it("leaves credentials and rules that it has no fields for as they are", () => {
    const base = {
      monitor_type: "http", name: "a", cron: "*/5 * * * *", interval_seconds: null, degraded_above_ms: 500, labels: {}, regions: ["local"],
      http_config: { url: "https://a/", method: "GET", auth: { type: "basic", has_credentials: true }, headers: {} },
      validation_rules: [{ type: "status_code", operator: "in", value: [200], header: null }, { type: "json_path", operator: "equals", path: "$.a", value: "b", header: null }],
    } as unknown as Monitor;
    const draft = toMonitor({ ...toForm(base), degraded_above_ms: "" }, base);
    expect(draft.http_config?.auth).toBeUndefined();
    expect(draft).not.toHaveProperty("interval_seconds");
    expect(draft.degraded_above_ms).toBeNull();
    expect(draft.validation_rules).toEqual([{ type: "status_code", operator: "in", value: [200] }, { type: "json_path", operator: "equals", path: "$.a", value: "b" }]);
    expect(otherRules(base.validation_rules)).toHaveLength(1);
  });
});

it("names what is nameless", () => {
  expect(defaultName({ monitor_type: "http", url: "https://a.example/", host: "", port: "" })).toBe("a.example");
  expect(defaultName({ monitor_type: "http", url: "not one", host: "", port: "" })).toBe("not one");
});
it("reads labels", () => expect(parseLabels("a=b=c,\n d ,")).toEqual({ a: "b=c", d: "" }));
it("finds the field that the server names", () => {
  expect(formField("http_config.url")).toBe("url");
  expect(formField("tls_config.timeout_ms")).toBe("timeout_ms");
  expect(formField("http_config.headers.X-A")).toBe("headers");
  expect(formField("interval_seconds")).toBe("interval_seconds");
  expect(formField("validation_rules[0].value")).toBeUndefined();
});
