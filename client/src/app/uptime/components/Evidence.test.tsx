import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { CheckEvent, Evidence, EvidenceStep, OutageCause } from "@/api/types";
import { EvidenceCard } from "./Evidence";
import { bodyWord, causeWord, outcomeWord, stepFound, stepWord } from "./evidenceWords";

const step = (more: Partial<EvidenceStep>): EvidenceStep => ({
  kind: "connect", outcome: "ok", target: "192.0.2.1:443", resolver: null, family: null, addresses: [], duration_us: 1500, error_type: null, detail: null,
  status_code: null, certificate: null, ...more,
} as EvidenceStep);

const hostile = `<img src=x onerror="alert(1)">`;

const evidence = {
  monitor_id: 7, region: "eu", scheduled_at: "2026-11-23T03:00:00.000Z", cause: "server_error", summary: `The server answers with status 503 ${hostile}`,
  first_failure: {
    status: "failure", status_code: 503, error_type: "validation_failed", error_message: `not as expected ${hostile}`, failed_phase: "validation",
    validation_errors: [`status_code in 200-399: got 503 ${hostile}`], response_headers: { "X-Why": hostile }, response_time_us: 4000, tcp_time_us: 900, ttfb_us: 3000,
    resolved_ip: "192.0.2.1", ip_family: "ipv4", tls_version: null, details: null,
  } as unknown as CheckEvent,
  body: { text: `out of order ${hostile}`, binary: false, size_bytes: 12, truncated: false },
  steps: [
    step({ kind: "resolve", resolver: "configured", target: "shop.example.com", addresses: ["192.0.2.1"] }),
    step({ kind: "resolve", resolver: "second", outcome: "skipped", detail: "No second resolver is set", duration_us: null }),
    step({ family: "ipv4" }), step({ kind: "http", outcome: "failed", status_code: 503, detail: `no ${hostile}` }),
  ],
  examined_at: "2026-11-23T03:00:01.000Z", duration_us: 9000,
} as Evidence;

it("tells the cause, the steps and what failed first, and puts what targets said in as text", () => {
  const page = renderToStaticMarkup(<EvidenceCard evidence={evidence} />);
  for (const text of ["The server fails", "Resolve, second resolver", "Left out", "Connect over IPv4", "Request again", "Response headers (1)", "Response body: 12 bytes", "out of order", "X-Why"]) {
    expect(page).toContain(text);
  }
  expect(page).not.toContain("<img");
  expect(page.match(/&lt;img src=x/g)?.length).toBe(6);
});

it("shows a shape and a word for each outcome, never colour alone", () => {
  const page = renderToStaticMarkup(<EvidenceCard evidence={evidence} />);
  expect(page.match(/<svg[^>]*aria-hidden="true"/g)?.length).toBeGreaterThanOrEqual(evidence.steps.length);
  for (const word of ["Worked", "Failed", "Left out"]) expect(page).toContain(word);
});

it("is well without body, headers, steps and certificate", () => {
  const bare = { ...evidence, body: null, steps: [], first_failure: { ...evidence.first_failure, response_headers: {}, validation_errors: [], details: null } } as unknown as Evidence;
  const page = renderToStaticMarkup(<EvidenceCard evidence={bare} />);
  expect(page).not.toContain("<details");
  expect(page).not.toContain("<table");
});

it("has a headline of its own for each cause", () => {
  const causes: OutageCause[] = [
    "dns_name_gone", "dns_resolver_trouble", "dns_failure", "port_closed", "host_unreachable", "one_family_broken", "certificate", "tls_handshake", "slow",
    "server_error", "unexpected_status", "content", "broken_answer", "proxy", "auth", "recovered", "unknown",
  ];
  expect(new Set(causes.map(causeWord)).size).toBe(causes.length);
  expect(causeWord("of_the_future" as OutageCause)).toBe("of the future");
});

it("says what steps did and found", () => {
  expect(stepWord(step({ kind: "tls", family: "ipv6" }))).toBe("TLS handshake over IPv6");
  expect(stepFound(step({ addresses: ["a", "b"] }))).toBe("a, b");
  expect(stepFound(step({ status_code: 503 }))).toBe("status 503");
  expect(stepFound(step({ certificate: { valid: false, problems: ["expired"] } as never }))).toBe("expired");
  expect(stepFound(step({}))).toBe("");
  expect(outcomeWord("skipped")).toBe("Left out");
  expect(bodyWord({ text: null, binary: true, size_bytes: 1, truncated: true })).toBe("Response body: 1 byte, not text");
});
