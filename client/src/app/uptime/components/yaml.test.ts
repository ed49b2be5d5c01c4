import { expect, it } from "vitest";
import type { Monitor } from "@/api/types";
import { toYaml } from "./yaml";

it("has what was set, and nothing that is only read", () => {
  const monitor = {
    id: 7, version: 3, name: "api: yes #1", monitor_type: "http", enabled: true, interval_seconds: 30, cron: null, labels: { team: "web", on: "yes", "a b": "1" }, regions: ["local", "eu-1"], depends_on: [],
    http_config: { url: "https://example.com/a?b=c", headers: { Accept: "text/html; q=1" }, body: "{\"a\":\n1}", auth: { type: "basic", has_credentials: true, credentials: null } },
    validation_rules: [{ type: "status_code", operator: "in", value: [200, 204], path: null }], status: { current_status: "up" },
  };
  expect(toYaml(monitor as unknown as Monitor)).toBe(`name: "api: yes #1"
monitor_type: http
enabled: true
interval_seconds: 30
labels:
  team: web
  "on": "yes"
  a b: "1"
regions:
  - local
  - eu-1
http_config:
  url: "https://example.com/a?b=c"
  headers:
    Accept: "text/html; q=1"
  body: "{\\"a\\":\\n1}"
  auth:
    type: basic
validation_rules:
  - type: status_code
    operator: in
    value:
      - 200
      - 204
`);
});
