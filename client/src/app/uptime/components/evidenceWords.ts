// What evidence is called.
import type { Evidence, EvidenceStep, OutageCause } from "@/api/types";

const causeWords: Record<OutageCause, string> = {
  dns_name_gone: "The name is gone", dns_resolver_trouble: "The resolver has trouble", dns_failure: "The name is not resolved",
  port_closed: "The port is closed", host_unreachable: "The host is unreachable", one_family_broken: "IPv4 or IPv6 is broken",
  certificate: "The certificate is not valid", tls_handshake: "The TLS handshake fails", slow: "It is too slow", server_error: "The server fails",
  unexpected_status: "Another status than expected", content: "Not the expected answer", broken_answer: "The answer breaks off",
  proxy: "The proxy has trouble", auth: "No access token", recovered: "It was short", unknown: "Not found out",
};

/** The cause as a headline; a server may be newer and know others. */
export const causeWord = (cause: OutageCause | null): string => (cause ? (causeWords[cause] ?? cause.replaceAll("_", " ")) : "Not found out");

/** What a step did. */
export function stepWord(step: EvidenceStep): string {
  const family = step.family === "ipv4" ? " over IPv4" : step.family === "ipv6" ? " over IPv6" : "";
  switch (step.kind) {
    case "resolve": return step.resolver === "second" ? "Resolve, second resolver" : "Resolve";
    case "connect": return `Connect${family}`;
    case "tls": return `TLS handshake${family}`;
    case "http": return "Request again";
    default: return step.kind ?? "Step";
  }
}

/** What a step found, in a few words. */
export function stepFound(step: EvidenceStep): string {
  if (step.detail) return step.detail;
  if (step.addresses?.length) return step.addresses.join(", ");
  if (step.status_code) return `status ${step.status_code}`;
  if (step.certificate) return step.certificate.valid ? "the certificate is valid" : (step.certificate.problems ?? []).join("; ") || "the certificate is not valid";
  return "";
}

export const outcomeWord = (outcome: EvidenceStep["outcome"]): string => (outcome === "ok" ? "Worked" : outcome === "failed" ? "Failed" : "Left out");

/** How much of the body is there. */
export function bodyWord(body: NonNullable<Evidence["body"]>): string {
  const size = `${body.size_bytes} ${body.size_bytes === 1 ? "byte" : "bytes"}`;
  if (body.binary) return `Response body: ${size}, not text`;
  return body.truncated ? `Response body: beginning of ${size}` : `Response body: ${size}`;
}
