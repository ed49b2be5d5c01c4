// What a new monitor is filled in from that is to be like another.
import type { Monitor } from "@/api/types";

/** What stands in an answer for a header that is kept secret. */
const REDACTED = "***";

// Kinds of sign-in that the form has fields for.
const withFields = new Set<string>(["none", "basic", "bearer", "api_key"]);

/**
 * A monitor like this one, under a name of its own, and the names of what the server keeps to itself and could not be copied. Who
 * manages the first does not manage the second.
 */
export function copyOf(monitor: Monitor): { monitor: Monitor; left: string[] } {
  const left: string[] = [];
  const copy = structuredClone(monitor);
  copy.name = `${monitor.name} (copy)`.slice(0, 200);
  copy.external_id = null;
  copy.managed_by = null;
  const http = copy.http_config;
  if (http) {
    if (http.auth?.has_credentials) left.push("The credentials of its sign-in");
    if (!withFields.has(http.auth?.type ?? "none")) http.auth = null;
    for (const [name, value] of Object.entries(http.headers ?? {})) {
      if (value !== REDACTED) continue;
      left.push(`The header ${name}`);
      delete http.headers![name];
    }
    if (http.proxy?.has_password) left.push("The password of its proxy");
  }
  for (const options of [http?.tls, copy.tcp_config?.tls_options, copy.tls_config?.options]) {
    if (!options?.has_client_key) continue;
    left.push("Its client certificate");
    options.client_certificate = null;
  }
  return { monitor: copy, left };
}
