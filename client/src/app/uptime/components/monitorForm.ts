// What the form holds, and how it becomes a monitor and back.
import { z } from "zod";
import type { Draft, Monitor, ValidationRule } from "@/api/types";

// The quick way that zod checks objects needs eval, which the content policy forbids; asking for it would be reported.
z.config({ jitless: true });

const whole = (least: number, most: number) =>
  z.string().trim().regex(/^\d+$/, "A whole number").refine((s) => Number(s) >= least && Number(s) <= most, `From ${least} to ${most}`);
const wholeOrNothing = (least: number, most: number) => z.union([z.literal(""), whole(least, most)]);

export const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

// Only what can be judged without the server is checked here; the server has the last word, and says it at the field.
export const formSchema = z
  .object({
    monitor_type: z.enum(["http", "tcp", "tls"]),
    name: z.string().trim().max(200),
    url: z.string().trim(),
    host: z.string().trim(),
    port: z.string().trim(),
    interval_seconds: wholeOrNothing(1, 86_400),
    timeout_ms: whole(1, 300_000),
    method: z.string(),
    body: z.string(),
    headers: z.string(),
    status_codes: z.string().trim().regex(/^$|^\d{3}(\s*,\s*\d{3})*$/, "Codes separated by commas, such as 200, 204"),
    contains: z.string(),
    certificate_days: wholeOrNothing(1, 3650),
    follow_redirects: z.boolean(),
    auth_type: z.string(),
    username: z.string(),
    secret: z.string(),
    header_name: z.string(),
    confirm_down: whole(1, 100),
    confirm_up: whole(1, 100),
    degraded_above_ms: wholeOrNothing(1, 300_000),
    labels: z.string(),
    regions: z.array(z.string()),
    depends_on: z.array(z.number()).max(16, "At most 16"),
  })
  .superRefine((v, ctx) => {
    const need = (path: keyof typeof v, message: string) => { if (!v[path]) ctx.addIssue({ code: "custom", path: [path], message }); };
    if (v.monitor_type === "http") need("url", "Which address?");
    else {
      need("host", "Which host?");
      if (v.monitor_type === "tcp" || v.port) {
        const port = whole(1, 65_535).safeParse(v.port);
        if (!port.success) ctx.addIssue({ code: "custom", path: ["port"], message: "From 1 to 65535" });
      }
    }
    for (const line of lines(v.headers)) if (!/^[^:\s]+:/.test(line)) ctx.addIssue({ code: "custom", path: ["headers"], message: `“${line}” is not “Name: value”` });
  });

export type FormValues = z.infer<typeof formSchema>;

export const emptyForm: FormValues = {
  monitor_type: "http", name: "", url: "", host: "", port: "", interval_seconds: "60", timeout_ms: "10000", method: "GET", body: "", headers: "",
  status_codes: "", contains: "", certificate_days: "14", follow_redirects: true, auth_type: "none", username: "", secret: "", header_name: "",
  confirm_down: "2", confirm_up: "1", degraded_above_ms: "", labels: "", regions: ["local"], depends_on: [],
};

const lines = (text: string) => text.split("\n").map((l) => l.trim()).filter(Boolean);

/** Reads "key=value, key" or one per line. */
export function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(text.split(/[,\n]/).map((l) => l.trim()).filter(Boolean).map((l) => {
    const at = l.indexOf("=");
    return at < 0 ? [l, ""] : [l.slice(0, at).trim(), l.slice(at + 1).trim()];
  }));
}

function parseHeaders(text: string): Record<string, string> {
  return Object.fromEntries(lines(text).map((l) => [l.slice(0, l.indexOf(":")).trim(), l.slice(l.indexOf(":") + 1).trim()]));
}

/** A name for what is nameless: its host. */
export function defaultName(v: Pick<FormValues, "monitor_type" | "url" | "host" | "port">): string {
  if (v.monitor_type !== "http") return v.host && v.port ? `${v.host}:${v.port}` : v.host;
  try {
    const url = new URL(v.url);
    return url.host + (url.pathname === "/" ? "" : url.pathname);
  } catch {
    return v.url;
  }
}

// The rules that the form has fields for. All others are kept as they are.
const isStatusCodes = (r: ValidationRule) => r.type === "status_code" && (r.operator === "in" || r.operator === "equals");
const isContains = (r: ValidationRule) => r.type === "response_body_contains" && r.case_sensitive !== false;
const isDays = (r: ValidationRule) => r.type === "certificate_days_left" && r.operator === "greater_than";

/** Rules of a monitor that the form has no field for. */
export function otherRules(rules: readonly ValidationRule[] | null | undefined): ValidationRule[] {
  const taken = new Set([isStatusCodes, isContains, isDays].map((is) => (rules ?? []).findIndex(is)));
  return (rules ?? []).filter((_, i) => !taken.has(i));
}

/** Fills the form from a monitor. */
export function toForm(m: Monitor): FormValues {
  const rules = m.validation_rules ?? [];
  const codes = rules.find(isStatusCodes)?.value as number | number[] | undefined;
  const peer = m.tls_config ?? m.tcp_config;
  const auth = m.http_config?.auth;
  return {
    monitor_type: m.monitor_type ?? "http", name: m.name ?? "", url: m.http_config?.url ?? "", host: peer?.host ?? "", port: peer?.port ? String(peer.port) : "",
    interval_seconds: m.interval_seconds ? String(m.interval_seconds) : "", timeout_ms: String((m.http_config ?? peer)?.timeout_ms ?? 10_000),
    method: m.http_config?.method ?? "GET", body: m.http_config?.body ?? "",
    headers: Object.entries(m.http_config?.headers ?? {}).map(([k, v]) => `${k}: ${v}`).join("\n"),
    status_codes: codes === undefined ? "" : [codes].flat().join(", "), contains: String(rules.find(isContains)?.value ?? ""),
    certificate_days: String(rules.find(isDays)?.value ?? ""), follow_redirects: m.http_config?.follow_redirects ?? true,
    auth_type: auth?.type ?? "none", username: "", secret: "", header_name: "",
    confirm_down: String(m.confirm_down ?? 2), confirm_up: String(m.confirm_up ?? 1), degraded_above_ms: m.degraded_above_ms ? String(m.degraded_above_ms) : "",
    labels: Object.entries(m.labels ?? {}).map(([k, v]) => (v ? `${k}=${v}` : k)).join(", "), regions: m.regions?.length ? m.regions : ["local"], depends_on: [...(m.depends_on ?? [])],
  };
}

function authOf(v: FormValues): Draft<NonNullable<NonNullable<Monitor["http_config"]>["auth"]>> | undefined {
  switch (v.auth_type) {
    case "none":
      return { type: "none" };
    case "basic":
      return v.username || v.secret ? { type: "basic", credentials: { username: v.username, password: v.secret } } : undefined;
    case "bearer":
      return v.secret ? { type: "bearer", credentials: { token: v.secret } } : undefined;
    case "api_key":
      return v.header_name || v.secret ? { type: "api_key", credentials: { key: v.header_name, value: v.secret } } : undefined;
    default:
      return undefined; // a scheme that the form has no fields for stays as it is
  }
}

/**
 * Makes the body of a creation, a change or a trial. base is the monitor that is changed, if one is; carried is what a new one was
 * filled in from, of which all goes along that the form has no field for.
 */
export function toMonitor(v: FormValues, base?: Monitor, carried?: Monitor): Draft<Monitor> {
  const rules: Draft<ValidationRule>[] = [];
  if (v.monitor_type === "http" && v.status_codes) rules.push({ type: "status_code", operator: "in", value: v.status_codes.split(",").map(Number) as never });
  if (v.monitor_type === "http" && v.contains) rules.push({ type: "response_body_contains", value: v.contains as never });
  if (v.monitor_type === "tls" && v.certificate_days) rules.push({ type: "certificate_days_left", operator: "greater_than", value: Number(v.certificate_days) as never });
  rules.push(...otherRules((base ?? carried)?.validation_rules).map(given));

  const draft: Draft<Monitor> = {
    name: v.name || defaultName(v), monitor_type: v.monitor_type, confirm_down: Number(v.confirm_down), confirm_up: Number(v.confirm_up),
    validation_rules: rules as never, labels: parseLabels(v.labels), regions: v.regions,
    ...(v.depends_on.length > 0 || base?.depends_on?.length ? { depends_on: v.depends_on } : {}),
  };
  if (carried) Object.assign(draft, given({ quorum: carried.quorum, overlap: carried.overlap, dns_config: carried.dns_config, retry_interval_seconds: askedRetry(carried) }));
  // A monitor by cron has no interval, and the form leaves its cron alone.
  if (v.interval_seconds) draft.interval_seconds = Number(v.interval_seconds);
  else if (carried?.cron) Object.assign(draft, given({ cron: carried.cron, timezone: carried.timezone }));
  if (carried?.retries) draft.retries = carried.retries;
  if (v.degraded_above_ms) draft.degraded_above_ms = Number(v.degraded_above_ms);
  else if (base?.degraded_above_ms) draft.degraded_above_ms = null;

  const timeout_ms = Number(v.timeout_ms);
  if (v.monitor_type === "http") {
    const auth = authOf(v);
    draft.http_config = {
      ...given({ ...carried?.http_config, auth: null, body: null }),
      url: v.url, method: v.method as (typeof methods)[number], timeout_ms, follow_redirects: v.follow_redirects, headers: parseHeaders(v.headers),
      ...(v.body || base?.http_config?.body ? { body: v.body || null } : {}), ...(auth ? { auth } : {}),
    };
  } else {
    const peer = { host: v.host, timeout_ms, ...(v.port ? { port: Number(v.port) } : {}) };
    if (v.monitor_type === "tcp") draft.tcp_config = { ...given(carried?.tcp_config ?? {}), ...peer };
    else draft.tls_config = { ...given(carried?.tls_config ?? {}), ...peer };
  }
  return draft;
}

/** What the server does when no retry interval was asked for: a third of the interval, within bounds, in seconds. */
export const derivedRetry = (interval: number) => Math.min(Math.max(Math.floor(interval / 3), 1), 20);

/** The retry interval that somebody asked for; one that follows the interval is told by the server too. */
const askedRetry = (m: Monitor) => (m.interval_seconds && m.retry_interval_seconds === derivedRetry(m.interval_seconds) ? null : m.retry_interval_seconds);

/** A thing without the fields that it does not have: null and absent are not the same to the server. */
function given<T extends object>(thing: T): Draft<T> {
  const plain = (value: unknown) => (typeof value === "object" && value !== null && !Array.isArray(value) ? given(value) : value);
  return Object.fromEntries(Object.entries(thing).filter(([, value]) => value !== null && value !== undefined).map(([key, value]) => [key, plain(value)])) as Draft<T>;
}

const serverFields: Record<string, keyof FormValues> = {
  "http_config.url": "url", "http_config.method": "method", "http_config.headers": "headers", "http_config.body": "body", "http_config.auth": "auth_type",
  "tcp_config.host": "host", "tls_config.host": "host", "tcp_config.port": "port", "tls_config.port": "port",
};

/** Finds the field of the form for the field that the server names; undefined means that the form has none. */
export function formField(path: string): keyof FormValues | undefined {
  if (path in emptyForm) return path as keyof FormValues;
  if (path.endsWith(".timeout_ms")) return "timeout_ms";
  for (const [prefix, field] of Object.entries(serverFields)) if (path === prefix || path.startsWith(`${prefix}.`) || path.startsWith(`${prefix}[`)) return field;
  return (["labels", "regions", "depends_on"] as const).find((f) => path.startsWith(f));
}
