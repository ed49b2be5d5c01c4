// Everything about one monitor, in a dialog.
import { el, ago, button, dialog, millis, moment, percent, state } from "/ui.js";
import { api } from "/api.js";
import { chart, outcome, outcomeWord, waterfall } from "/charts.js";

const RECENT = 30;

/** What a monitor looks at. */
export function target(monitor) {
  if (monitor.http_config) return monitor.http_config.url;
  const { host, port } = monitor.tls_config ?? monitor.tcp_config ?? {};
  return `${monitor.monitor_type}://${host?.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Opens the dialog. actions are the buttons of the list; closed is called in the end. */
export async function showMonitor(monitor, actions, closed) {
  const { box, body, heading } = dialog(monitor.name);
  box.addEventListener("close", closed);
  heading.append(el("p", { class: "quiet small" }, target(monitor)));
  body.append(el("p", { class: "quiet" }, "Loading…"));
  const [fresh, report, events, stats] = await Promise.all([
    api.monitor(monitor.id), api.status(monitor.id), api.events(monitor.id, RECENT), api.stats(monitor.id),
  ]);
  if (!box.open) return;
  body.replaceChildren(...facts(fresh, report, stats), recent(events), incidents(report.recent_incidents), settings(fresh),
    el("div", { class: "dialog-foot" }, actions(fresh, () => box.close())));
}

function fact(word, value) {
  return el("div", {}, el("dt", {}, word), el("dd", {}, value));
}

function facts(monitor, report, stats) {
  const s = report.status ?? monitor.status ?? {};
  const since = report.since && el("span", { class: "quiet" }, " since ", moment(report.since));
  return [
    el("p", { class: "row" }, state(report.current_status), since),
    s.last_error && el("div", { class: "notice bad" }, el("b", {}, s.last_error_type ?? "error"), `: ${s.last_error}`),
    el("dl", { class: "facts" },
      fact("24 hours", percent(s.uptime_percentage_24h)), fact("7 days", percent(s.uptime_percentage_7d)), fact("30 days", percent(s.uptime_percentage_30d)),
      fact("Mean, 24 h", millis(stats.response_time?.avg)), fact("95 % within", millis(stats.response_time?.p95)),
      fact("Checks, 24 h", stats.total_checks), fact("Failed", stats.failed_checks + stats.timeout_checks), fact("Not observed", stats.error_checks + stats.missed_checks)),
    (report.regions ?? []).length > 1 && el("p", { class: "row" }, report.regions.map((r) => el("span", {}, `${r.region}: `, state(r.status)))),
    el("section", { class: "section" }, el("h3", {}, "Response time, 24 hours"), chart(stats.distribution)),
  ].filter(Boolean);
}

function recent(events) {
  if (events.length === 0) return el("section", { class: "section" }, el("h3", {}, "Recent checks"), el("p", { class: "quiet" }, "None yet."));
  const phases = el("div", { "aria-live": "polite" });
  const rows = events.map((event) => {
    const row = el("tr", {},
      el("td", { class: "nowrap" }, el("button", { type: "button", class: "linkish", on: { click: () => select(event, row) } }, moment(event.scheduled_at ?? event.timestamp))),
      el("td", { class: `nowrap is-${outcome(event.status)}` }, outcomeWord(event.status)),
      el("td", { class: "number nowrap" }, event.status === "missed" ? "–" : millis(event.response_time_us / 1000)),
      el("td", { class: "number" }, event.status_code ?? "–"),
      el("td", { class: "nowrap" }, event.region),
      el("td", { class: "words" }, [event.error_message, ...event.validation_errors].filter(Boolean).join(" ") || "–"));
    return row;
  });
  function select(event, row) {
    rows.forEach((r) => r.removeAttribute("aria-selected"));
    row.setAttribute("aria-selected", "true");
    const where = [event.resolved_ip, event.tls_version && `TLS ${event.tls_version}`].filter(Boolean).join(", ");
    phases.replaceChildren(el("h3", {}, "Phases of the check of ", moment(event.scheduled_at ?? event.timestamp)), waterfall(event),
      where && el("p", { class: "quiet small" }, where));
  }
  select(events[0], rows[0]);
  const titles = [["When"], ["Outcome"], ["Time", "number"], ["Code", "number"], ["From"], ["What was wrong"]];
  return el("section", { class: "section" }, phases, el("h3", { class: "section" }, "Recent checks"),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Recent checks" },
      el("table", {}, el("thead", {}, el("tr", {}, titles.map(([word, kind]) => el("th", { scope: "col", class: kind }, word)))), el("tbody", {}, rows))));
}

function incidents(list) {
  if (!list?.length) return "";
  return el("section", { class: "section" }, el("h3", {}, "Incidents"), el("ul", {}, list.map((i) =>
    el("li", {}, moment(i.start_time), i.end_time ? [" to ", moment(i.end_time)] : ", still open", `, ${i.status}`, i.last_error ? `: ${i.last_error}` : ""))));
}

function settings(m) {
  const every = m.cron ? `cron ${m.cron}${m.timezone ? ` (${m.timezone})` : ""}` : `every ${m.interval_seconds} s`;
  return el("section", { class: "section quiet small" }, el("p", {}, `Checked ${every} from ${m.regions.join(", ")}; down after ${m.confirm_down} failures in a row; `,
    `an alert at most ${millis(m.worst_case_alert_delay_ms)} after a failure begins. Changed `, el("span", { title: m.updated_at ?? "" }, ago(m.updated_at)), "."));
}

/** Asks before a monitor is deleted. */
export function askDelete(monitor, remove) {
  const { box, body } = dialog(`Delete “${monitor.name}”?`, { narrow: true });
  body.append(el("p", {}, "It is no longer checked and leaves the list. Its history stays until it is too old."),
    el("div", { class: "dialog-foot" }, button("Keep it", () => box.close(), { autofocus: true }),
      button("Delete", () => { box.close(); remove(); }, { kind: "danger", drawing: "trash" })));
}
