// What entries of the audit log say, in words.
import type { AuditEntry } from "@/api/types";

const kinds: Record<string, string> = {
  api_key: "API key", alert: "Alert rule", incident_note: "Note on an incident", maintenance_window: "Maintenance window", notification_channel: "Channel", session: "Session", user: "Account",
};
const verbs: Record<string, string> = {
  create: "made", add: "added", update: "changed", delete: "deleted", remove: "removed", revoke: "revoked", acknowledge: "acknowledged", resolve: "resolved", replay: "sent again", enrol: "enrolled",
};
const whole: Record<string, string> = {
  "session.login": "Signed in", "session.login_failed": "Could not sign in", "session.logout": "Signed out", "session.revoke": "Signed out elsewhere", "session.switch_organization": "Came into the organization",
  "user.password_change": "Password changed", "user.password_change_failed": "Password not changed: the old one was wrong",
};

/** Names a kind of object. */
export function sayKind(kind: string): string {
  return kinds[kind] ?? `${kind.slice(0, 1).toUpperCase()}${kind.slice(1).replaceAll("_", " ")}`;
}

/** Says what was done. What is not known is said as the log has it. */
export function sayAction(entry: Pick<AuditEntry, "action" | "object_kind">): string {
  const known = whole[entry.action];
  if (known) return known;
  const verb = entry.action.split(".").at(-1) ?? "";
  return verbs[verb] ? `${sayKind(entry.object_kind)} ${verbs[verb]}` : entry.action;
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);

/** The name of what was changed, as it is now or was; its identifier if it has none. */
export function nameOf(entry: Pick<AuditEntry, "before" | "after" | "object_id">): string {
  for (const side of [entry.after, entry.before]) {
    if (!isObject(side)) continue;
    const name = side.name ?? side.email;
    if (typeof name === "string" && name) return name;
  }
  return entry.object_id;
}

export interface Change { field: string; before: string | undefined; after: string | undefined }

const write = (v: unknown) => (typeof v === "string" ? v : JSON.stringify(v));

function flatten(value: unknown, path: string, into: Map<string, string>) {
  if (isObject(value) && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value)) flatten(inner, path ? `${path}.${key}` : key, into);
  } else if (value !== null && value !== undefined) {
    into.set(path || "value", write(value));
  }
}

/** The fields in which two states differ, by their paths; nothing and null are alike. */
export function changesOf(before: unknown, after: unknown): Change[] {
  const [old, now] = [new Map<string, string>(), new Map<string, string>()];
  flatten(before, "", old);
  flatten(after, "", now);
  return [...new Set([...old.keys(), ...now.keys()])].filter((field) => old.get(field) !== now.get(field)).map((field) => ({ field, before: old.get(field), after: now.get(field) }));
}

export interface AuditFilter { kind: string; actor: string }

/** The entries that a filter asks for; empty parts ask for nothing. */
export function filterAudit(entries: readonly AuditEntry[], filter: AuditFilter): AuditEntry[] {
  return entries.filter((e) => (!filter.kind || e.object_kind === filter.kind) && (!filter.actor || e.actor_name === filter.actor));
}

export const entries = (n: number) => (n === 1 ? "1 entry" : `${n} entries`);

/** Says how much was looked through: the filters look only through what was read. */
export function sayRead(shown: number, read: number, filtered: boolean, more: boolean): string {
  if (!filtered) return more ? `The newest ${entries(read)}; there are older ones.` : `All ${entries(read)}.`;
  const found = `${shown} of the ${more ? "newest " : ""}${entries(read)} ${shown === 1 ? "is" : "are"} like that`;
  return more ? `${found}; older ones were not looked through yet.` : `${found}, and there are no others.`;
}
