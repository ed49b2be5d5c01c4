import { expect, test } from "vitest";
import type { Monitor } from "@/api/types";
import { copyOf } from "./copyOf";
import { toForm, toMonitor } from "./monitorForm";

const http = (part: object = {}) => ({
  id: 7, name: "api", monitor_type: "http", enabled: true, interval_seconds: 60, retry_interval_seconds: 20, confirm_down: 3, confirm_up: 2, quorum: "all", regions: ["eu", "us"], labels: { team: "a" }, depends_on: [2],
  managed_by: "terraform", external_id: "x", cron: null, validation_rules: [{ type: "json_path", operator: "equals", path: "$.a", value: 1, header: null }],
  http_config: { url: "https://a/", method: "POST", body: "hello", timeout_ms: 5000, follow_redirects: false, max_redirects: 3, cookies: false, ip_version: "v6", headers: { Accept: "text/html", "X-Token": "***" }, auth: { type: "basic", has_credentials: true }, proxy: null, tls: { insecure_skip_verify: true, has_client_key: false }, ...part },
}) as unknown as Monitor;

const sent = (monitor: Monitor) => { const copy = copyOf(monitor).monitor; return toMonitor(toForm(copy), undefined, copy); };

test("a copy is like the first, under another name and in nobody's hands", () => {
  const first = http();
  expect(sent(first)).toMatchObject({
    name: "api (copy)", interval_seconds: 60, confirm_down: 3, confirm_up: 2, quorum: "all", regions: ["eu", "us"], labels: { team: "a" }, depends_on: [2], validation_rules: [{ type: "json_path", path: "$.a", value: 1 }],
    http_config: { url: "https://a/", method: "POST", body: "hello", timeout_ms: 5000, follow_redirects: false, max_redirects: 3, cookies: false, ip_version: "v6", headers: { Accept: "text/html" }, tls: { insecure_skip_verify: true } },
  });
  expect(sent(first)).not.toHaveProperty("managed_by");
  expect(sent(first)).not.toHaveProperty("external_id");
  expect(first.name).toBe("api");
  expect(first.http_config?.headers).toHaveProperty("X-Token");
});

test("what is secret is named, and is not sent", () => {
  expect(copyOf(http()).left).toEqual(["The credentials of its sign-in", "The header X-Token"]);
  expect(sent(http()).http_config).not.toHaveProperty("auth");
  expect(copyOf(http({ auth: null, headers: {} })).left).toEqual([]);
  const oauth = http({ auth: { type: "oauth2", has_credentials: true, oauth2: {} } });
  expect(toForm(copyOf(oauth).monitor).auth_type).toBe("none");
});

test("a retry interval that follows the interval is not fixed by the copy", () => {
  expect(sent(http())).not.toHaveProperty("retry_interval_seconds");
  expect(sent({ ...http(), retry_interval_seconds: 5 })).toMatchObject({ retry_interval_seconds: 5 });
});

test("a TCP monitor keeps what it sends", () => {
  const tcp = { ...http(), monitor_type: "tcp", http_config: null, tcp_config: { host: "db", port: 5432, timeout_ms: 1000, send_data: "PING", tls: true, tls_options: null } } as unknown as Monitor;
  expect(sent(tcp)).toMatchObject({ tcp_config: { host: "db", port: 5432, send_data: "PING", tls: true } });
});
