import { expect, test } from "vitest";
import type { CheckEvent, Monitor } from "@/api/types";
import { eventColumns, monitorColumns, tableOf } from "./exports";

test("a monitor is a row with what the list shows of it", () => {
  const monitor = { id: 7, name: "=api", monitor_type: "tcp", tcp_config: { host: "db", port: 5432 }, labels: { team: "db", prod: "" }, regions: ["eu", "us"], enabled: true, interval_seconds: 60, status: { current_status: "up", uptime_percentage_24h: 99.5, uptime_percentage_30d: null, average_response_time_24h: 12.5, last_checked_at: "2026-01-01T00:00:00Z", last_error_type: null } } as unknown as Monitor;
  const { columns, rows, things } = tableOf(monitorColumns, [monitor]);
  const row = Object.fromEntries(columns.map((c, i) => [c, rows()[0]![i]]));
  expect(row).toMatchObject({ id: 7, name: "=api", type: "tcp", target: "tcp://db:5432", state: "up", uptime_percentage_24h: 99.5, uptime_percentage_30d: null, labels: "team=db, prod", regions: "eu, us" });
  expect(things()).toEqual([monitor]);
});

test("a slot that did not run has no response time", () => {
  const at = eventColumns.findIndex(([word]) => word === "response_time_ms");
  expect(eventColumns[at]![1]({ status: "missed", response_time_us: 0 } as CheckEvent)).toBeNull();
  expect(eventColumns[at]![1]({ status: "success", response_time_us: 1500 } as CheckEvent)).toBe(1.5);
});
