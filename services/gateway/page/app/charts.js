// Drawings of results.
import { el, svg, millis, stateWord } from "/ui.js";

const outcomes = { success: "up", failure: "down", timeout: "down", error: "unknown", missed: "unknown" };
const outcomeWords = { success: "worked", failure: "failed", timeout: "timed out", error: "could not be checked", missed: "did not run" };

/** How a result counts. */
export const outcome = (status) => outcomes[status] ?? "unknown";

/** What a result is called. */
export const outcomeWord = (status) => outcomeWords[status] ?? status;

const SLOTS = 40;

/**
 * The last checks as bars, oldest first. Height says the same as colour: a failure hangs down, a check that could not be
 * made is short.
 */
export function bars(events) {
  const shown = events.slice(0, SLOTS).reverse();
  const drawing = svg("svg", { viewBox: `0 0 ${SLOTS * 5} 24`, height: 24, preserveAspectRatio: "none", role: "img", "aria-label": summary(shown) });
  for (let i = 0; i < SLOTS; i++) {
    const event = shown[i - (SLOTS - shown.length)];
    const x = i * 5 + 0.5;
    if (!event) {
      drawing.append(svg("rect", { class: "bar-none", x, y: 11, width: 4, height: 2 }));
      continue;
    }
    const kind = outcome(event.status);
    const [y, height] = { up: [2, 14], down: [8, 16], unknown: [10, 4] }[kind];
    drawing.append(svg("rect", { class: `bar-${kind}`, x, y, width: 4, height, rx: 1 }, svg("title", {}, describe(event))));
  }
  return drawing;
}

function summary(events) {
  if (events.length === 0) return "No checks yet";
  const counts = new Map();
  for (const e of events) counts.set(outcomeWord(e.status), (counts.get(outcomeWord(e.status)) ?? 0) + 1);
  return `Last ${events.length} checks: ${[...counts].map(([word, n]) => `${n} ${word}`).join(", ")}`;
}

function describe(event) {
  const at = new Date(event.scheduled_at ?? event.timestamp).toLocaleTimeString();
  const detail = event.status === "success" ? millis(event.response_time_us / 1000) : (event.error_message ?? event.error_type ?? "");
  return `${at}: ${outcomeWord(event.status)}${detail ? `, ${detail}` : ""}`;
}

/** Response times of the last successful checks as a line. */
export function spark(events) {
  const values = events.slice(0, SLOTS).reverse().map((e) => (e.status === "success" ? e.response_time_us / 1000 : null));
  const drawing = svg("svg", { viewBox: "0 0 200 22", height: 22, preserveAspectRatio: "none", "aria-hidden": "true" });
  drawing.append(svg("path", { class: "spark", d: line(values, 200, 22, SLOTS, Math.min(...values.filter((v) => v !== null))) }));
  return drawing;
}

/** A path through values from low up, with gaps where there are none; the last value stands at the right edge. */
function line(values, width, height, slots, low) {
  const known = values.filter((v) => v !== null);
  if (known.length === 0) return "";
  const high = Math.max(...known);
  const y = (v) => (high === low ? height / 2 : height - 2 - ((v - low) / (high - low)) * (height - 4));
  const step = slots > 1 ? width / (slots - 1) : 0;
  let pen = "M";
  let path = "";
  values.forEach((v, i) => {
    if (v === null) {
      pen = "M";
      return;
    }
    const x = width - (values.length - 1 - i) * step;
    path += `${pen}${x.toFixed(1)} ${y(v).toFixed(1)}`;
    if (pen === "M" && (values[i + 1] ?? null) === null) path += "h-1.5"; // alone, it would not be seen
    pen = "L";
  });
  return path;
}

/** Mean response time over a day. */
export function chart(buckets) {
  const values = buckets.map((b) => b.avg_response_time);
  const known = values.filter((v) => v !== null);
  if (known.length === 0) return el("p", { class: "quiet" }, "No successful check in the last 24 hours.");
  const label = `Response time over 24 hours: between ${millis(Math.min(...known))} and ${millis(Math.max(...known))}`;
  const drawing = svg("svg", { class: "chart", viewBox: "0 0 600 120", preserveAspectRatio: "none", role: "img", "aria-label": label });
  drawing.append(svg("path", { class: "chart-line", d: line(values, 600, 120, values.length, 0) }));
  return el("div", {}, drawing, el("p", { class: "quiet small" }, `Means of ${millis(Math.min(...known))} to ${millis(Math.max(...known))}; the lower edge is 0.`));
}

const phases = [
  ["dns", "Name", "dns_time_us"],
  ["tcp", "Connect", "tcp_time_us"],
  ["tls", "TLS", "tls_time_us"],
  ["wait", "First byte", "ttfb_us"],
  ["load", "Transfer", "transfer_time_us"],
];

/** Where the time of one check went: each phase begins where the one before ended. */
export function waterfall(event) {
  const present = phases.filter(([, , field]) => event[field] !== null && event[field] !== undefined);
  if (present.length === 0) return el("p", { class: "quiet" }, event.status === "missed" ? "This slot did not run." : "No phase was completed.");
  const total = present.reduce((sum, [, , field]) => sum + event[field], 0) || 1;
  let from = 0;
  return el("div", { role: "list", "aria-label": "Phases" }, present.map(([key, word, field]) => {
    const start = from;
    from += event[field];
    return el("div", { class: "fall-row", role: "listitem" },
      el("span", {}, word),
      svg("svg", { class: "fall", viewBox: "0 0 100 12", height: 12, preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { class: "fall-track", x: 0, y: 0, width: 100, height: 12, rx: 1 }),
        svg("rect", { class: `p-${key}`, x: (start / total) * 100, y: 0, width: Math.max((event[field] / total) * 100, 0.6), height: 12, rx: 1 })),
      el("span", { class: "number" }, millis(event[field] / 1000)));
  }));
}

/** How many monitors are in which state, in words. */
export function tally(monitors) {
  const counts = new Map();
  for (const m of monitors) {
    const s = m.status?.current_status ?? "unknown";
    counts.set(s, (counts.get(s) ?? 0) + 1);
  }
  return ["down", "degraded", "unknown", "up", "maintenance", "paused"].filter((s) => counts.has(s)).map((s) => [s, counts.get(s), stateWord(s)]);
}
