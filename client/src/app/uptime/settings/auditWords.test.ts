import { describe, expect, it } from "vitest";
import type { AuditEntry } from "@/api/types";
import { changesOf, filterAudit, nameOf, sayAction, sayRead } from "./auditWords";

describe("the audit log in words", () => {
  it("says what was done, and what it does not know as it is", () => {
    const say = (action: string, object_kind: string) => sayAction({ action, object_kind });
    expect(say("monitor.create", "monitor")).toBe("Monitor made");
    expect(say("maintenance_window.delete", "maintenance_window")).toBe("Maintenance window deleted");
    expect(say("session.login_failed", "session")).toBe("Could not sign in");
    expect(say("prober.frobnicate", "prober")).toBe("prober.frobnicate");
  });
  it("names the object", () => {
    expect(nameOf({ before: { name: "old" }, after: { name: "new" }, object_id: "7" })).toBe("new");
    expect(nameOf({ before: { email: "a@example.com" }, after: undefined, object_id: "7" })).toBe("a@example.com");
    expect(nameOf({ before: undefined, after: undefined, object_id: "7" })).toBe("7");
  });
  it("shows only what changed, by path", () => {
    expect(changesOf({ name: "a", http_config: { url: "x", method: "GET" }, regions: ["local"], cron: null }, { name: "a", http_config: { url: "y", method: "GET" }, regions: ["local", "eu"] })).toEqual([
      { field: "http_config.url", before: "x", after: "y" },
      { field: "regions", before: '["local"]', after: '["local","eu"]' },
    ]);
  });
  it("shows all of what was made or deleted", () => {
    expect(changesOf(undefined, { name: "a", enabled: false })).toEqual([{ field: "name", before: undefined, after: "a" }, { field: "enabled", before: undefined, after: "false" }]);
    expect(changesOf({ name: "a" }, null)).toEqual([{ field: "name", before: "a", after: undefined }]);
  });
  it("says how much was looked through", () => {
    expect(sayRead(100, 100, false, true)).toBe("The newest 100 entries; there are older ones.");
    expect(sayRead(1, 100, true, true)).toBe("1 of the newest 100 entries is like that; older ones were not looked through yet.");
    expect(sayRead(0, 7, true, false)).toBe("0 of the 7 entries are like that, and there are no others.");
  });
  it("filters by kind and actor together", () => {
    const entry = (object_kind: string, actor_name: string) => ({ object_kind, actor_name }) as AuditEntry;
    const all = [entry("monitor", "a"), entry("monitor", "b"), entry("channel", "a")];
    expect(filterAudit(all, { kind: "", actor: "" })).toEqual(all);
    expect(filterAudit(all, { kind: "monitor", actor: "a" })).toEqual([all[0]]);
  });
});
