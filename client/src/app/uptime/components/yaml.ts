// A monitor's configuration as YAML, as the API takes it.
import type { Monitor } from "@/api/types";

const readOnly = new Set(["id", "organization_id", "created_at", "created_by", "updated_at", "version", "status", "worst_case_alert_delay_ms", "has_credentials"]);
const reserved = /^(?:true|false|null|yes|no|on|off|y|n|~)$/i;

const isEmpty = (v: unknown) => v === null || v === undefined || v === "" || (typeof v === "object" && Object.keys(v).length === 0);

/** Leaves out what is read only and what is not set. */
function given(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(given);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !readOnly.has(key)).map(([key, v]) => [key, given(v)] as const).filter(([, v]) => !isEmpty(v)));
}

/** Writes a text plainly where it can be taken for nothing else, and quoted as in JSON otherwise, which is YAML too. */
function scalar(v: unknown): string {
  if (typeof v !== "string") return JSON.stringify(v);
  return /^[A-Za-z_/][\w ./@%+:-]*$/.test(v) && !reserved.test(v) && !/:\s|[: ]$/.test(v) ? v : JSON.stringify(v);
}

function write(v: unknown, indent: string): string[] {
  if (Array.isArray(v)) {
    return v.flatMap((item) => {
      if (typeof item !== "object" || item === null) return [`${indent}- ${scalar(item)}`];
      const [first = "{}", ...rest] = write(item, `${indent}  `);
      return [`${indent}- ${first.trimStart()}`, ...rest];
    });
  }
  return Object.entries(v as object).flatMap(([key, item]) => {
    const name = `${indent}${scalar(key)}:`;
    if (typeof item !== "object" || item === null) return [`${name} ${scalar(item)}`];
    return Object.keys(item).length === 0 ? [`${name} ${Array.isArray(item) ? "[]" : "{}"}`] : [name, ...write(item, `${indent}  `)];
  });
}

/** Writes what was set of a monitor. Credentials are never read, and so not in it. */
export function toYaml(monitor: Monitor): string {
  return `${write(given(monitor), "").join("\n")}\n`;
}
