// The form to add a monitor.
import { el, button, dialog, millis } from "/ui.js";
import { api } from "/api.js";
import { field, filled, form, submitButton, whole } from "/form.js";
import { outcomeWord, waterfall } from "/charts.js";

/** Opens the form; added gets the new monitor. */
export function addMonitor(added) {
  const { box, body } = dialog("Add a monitor", { narrow: true });
  const name = field("name", "Name", { wide: true, autocomplete: "off", autofocus: true, read: filled });
  const url = field("http_config.url", "URL", { type: "url", wide: true, placeholder: "https://example.com/", autocomplete: "off", read: filled });
  const host = field("tcp_config.host", "Host", { placeholder: "db.example.com", autocomplete: "off", read: filled, hint: "A name or an address, not a URL." });
  const port = field("tcp_config.port", "Port", { inputmode: "numeric", read: whole });
  const interval = field("interval_seconds", "Check every … seconds", { inputmode: "numeric", value: "60", read: whole, hint: "1 to 86400" });
  const timeout = field("timeout_ms", "Give up after … ms", { inputmode: "numeric", value: "10000", read: whole });
  const method = field("http_config.method", "Method", { options: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((m) => [m, m]) });
  const codes = field("validation_rules", "Expected status codes", { placeholder: "200 to 399", hint: "Separated by commas; empty means 200 to 399.", read: filled });
  const text = field("contains", "The body contains", { read: filled });
  const days = field("certificate_days", "Fails when it expires within … days", { inputmode: "numeric", value: "14", read: whole });
  const confirm = field("confirm_down", "Failures in a row until down", { inputmode: "numeric", placeholder: "2", read: whole });
  const fields = [name, url, host, port, interval, timeout, method, codes, text, days, confirm];

  const kinds = el("fieldset", {}, el("legend", {}, "What to check"), kind("http", "A web address (HTTP)", true), kind("tcp", "A port (TCP)", false), kind("tls", "A certificate (TLS)", false));
  const httpMore = el("div", { class: "pair" }, method.box, codes.box, text.box);
  const more = el("details", { class: "more" }, el("summary", {}, "More"), httpMore, el("div", { class: "pair" }, confirm.box));
  const tried = el("div", { "aria-live": "polite" });
  const buttons = el("div", { class: "dialog-foot" }, button("Try it", () => f.run(tryOut)), submitButton("Add monitor"));
  const f = form(fields, [kinds, el("div", { class: "pair" }, name.box, url.box, host.box, port.box, interval.box, timeout.box, days.box), more, tried], buttons, save);

  function kind(value, word, checked) {
    return el("label", { class: "choice" }, el("input", { type: "radio", name: "kind", value, checked, on: { change: choose } }), word);
  }

  const chosen = () => kinds.querySelector("input:checked").value;

  function choose() {
    const kind = chosen();
    const http = kind === "http";
    url.box.hidden = !http;
    httpMore.hidden = !http;
    host.box.hidden = http;
    port.box.hidden = http;
    days.box.hidden = kind !== "tls";
    // The server names what is wrong by the kind's own configuration.
    host.name = `${http ? "tcp" : kind}_config.host`;
    port.name = `${http ? "tcp" : kind}_config.port`;
    port.input.placeholder = kind === "tls" ? "443" : "";
    timeout.name = `${kind}_config.timeout_ms`;
  }

  function configuration() {
    const kind = chosen();
    const config = { name: name.value(), monitor_type: kind, interval_seconds: interval.value(), confirm_down: confirm.value() };
    const rules = [];
    if (kind === "tls" && days.value() !== undefined) rules.push({ type: "certificate_days_left", operator: "greater_than", value: days.value() });
    if (kind !== "http") {
      return { ...config, validation_rules: rules, [`${kind}_config`]: { host: host.value(), port: port.value(), timeout_ms: timeout.value() } };
    }
    if (codes.value()) rules.push({ type: "status_code", operator: "in", value: codes.value().split(",").map((c) => whole(c.trim())) });
    if (text.value()) rules.push({ type: "response_body_contains", value: text.value() });
    return { ...config, validation_rules: rules, http_config: { url: url.value(), method: method.value(), timeout_ms: timeout.value() } };
  }

  async function tryOut() {
    tried.replaceChildren(el("p", { class: "quiet" }, "Checking…"));
    try {
      const event = await api.tryOut(configuration());
      const good = event.status === "success";
      tried.replaceChildren(el("div", { class: `notice ${good ? "good" : "bad"}` },
        el("p", {}, el("b", {}, good ? `It worked in ${millis(event.response_time_us / 1000)}` : `It ${outcomeWord(event.status)}`),
          event.status_code ? `, status ${event.status_code}` : "", event.error_message ? `: ${event.error_message}` : "."),
        event.validation_errors.map((e) => el("p", {}, e)), waterfall(event)));
    } catch (err) {
      tried.replaceChildren();
      throw err;
    }
  }

  async function save() {
    added(await api.create(configuration()));
    box.close();
  }

  choose();
  body.append(f.box);
  name.input.focus();
}
