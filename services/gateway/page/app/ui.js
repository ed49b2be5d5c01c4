// Building blocks: elements, icons, words for numbers and times. Text always goes in as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function make(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listen] of Object.entries(value)) node.addEventListener(event, listen);
    } else if (name === "value" || name === "checked" || name === "open") {
      node[name] = value;
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** An HTML element; children are nodes or texts. */
export const el = (tag, props, ...children) => make(document.createElement(tag), props, children);

/** An SVG element. */
export const svg = (tag, props, ...children) => make(document.createElementNS(SVG, tag), props, children);

const shapes = {
  up: () => [svg("circle", { cx: 8, cy: 8, r: 7, fill: "currentColor" }), stroke("M4.6 8.3l2.3 2.3 4.5-4.9", "var(--card)")],
  degraded: () => [svg("path", { d: "M8 1l7.4 13.4H.6z", fill: "currentColor" }), stroke("M8 5.6v4M8 11.7v.6", "var(--card)")],
  down: () => [svg("rect", { x: 1, y: 1, width: 14, height: 14, rx: 2, fill: "currentColor" }), stroke("M5 5l6 6M11 5l-6 6", "var(--card)")],
  unknown: () => [svg("circle", { cx: 8, cy: 8, r: 6.5, fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-dasharray": "2.6 2" }), stroke("M6.2 6.3c0-2.4 3.7-2.3 3.7 0 0 1.5-1.9 1.5-1.9 3M8 11.5v.4", "currentColor")],
  paused: () => [svg("circle", { cx: 8, cy: 8, r: 6.5, fill: "none", stroke: "currentColor", "stroke-width": 1.6 }), stroke("M6.2 5.4v5.2M9.8 5.4v5.2", "currentColor")],
  maintenance: () => [svg("path", { d: "M8 .8L15.2 8 8 15.2.8 8z", fill: "currentColor" }), stroke("M5.4 8h5.2", "var(--card)")],
};

function stroke(d, colour) {
  return svg("path", { d, fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-linecap": "round", "stroke-linejoin": "round" });
}

const words = { up: "Up", degraded: "Degraded", down: "Down", unknown: "Unknown", paused: "Paused", maintenance: "Maintenance" };

/** What a state is called. */
export const stateWord = (status) => words[status] ?? words.unknown;

/** A state as shape, word and colour. */
export function state(status) {
  const known = words[status] ? status : "unknown";
  return el("span", { class: `state is-${known}` },
    svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", focusable: "false" }, ...shapes[known]()), words[known]);
}

const drawings = {
  play: "M5 3.5v9l7-4.5z", pause: "M5.5 3.5v9M10.5 3.5v9", trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5M7 7v4M9 7v4",
  check: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3", close: "M4 4l8 8M12 4l-8 8", sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M12.8 3.2l-1 1M4.2 11.8l-1 1",
  plus: "M8 3v10M3 8h10", dot: "M8 6.9a1.1 1.1 0 1 0 0 2.2 1.1 1.1 0 0 0 0-2.2z",
};

/** A small line drawing beside or instead of a word. */
export const icon = (name) => svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", focusable: "false" }, stroke(drawings[name], "currentColor"));

/** A button. Without a word, label is what screen readers say. */
export function button(word, listen, { kind = "", drawing, label, ...rest } = {}) {
  return el("button", { type: "button", class: `button ${kind}`, "aria-label": label, title: label, on: { click: listen }, ...rest }, drawing && icon(drawing), word);
}

/** Uptime in percent, cut and never rounded up: 100 % is only what had no down time at all. */
export function percent(value) {
  if (value === null || value === undefined) return "–";
  if (value === 100) return "100%";
  return `${(Math.floor(value * 100) / 100).toFixed(2)}%`;
}

/** Milliseconds, with as many digits as tell something. */
export function millis(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 10000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 100) return `${Math.round(value)} ms`;
  return `${value >= 10 ? value.toFixed(1) : value.toFixed(2)} ms`;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** How long ago. */
export function ago(iso, now = Date.now()) {
  if (!iso) return "never";
  const seconds = Math.round((new Date(iso).getTime() - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 60) return relative.format(Math.min(seconds, 0), "second");
  if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 86400) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86400), "day");
}

/** A moment in the reader's zone, to the second; the whole of it in UTC as its title. */
export function moment(iso) {
  if (!iso) return el("span", {}, "–");
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const text = today ? at.toLocaleTimeString() : `${at.toLocaleDateString()} ${at.toLocaleTimeString()}`;
  return el("time", { datetime: iso, title: iso }, text);
}

/** Says something to a screen reader. */
export function announce(text) {
  document.getElementById("announce").textContent = text;
}

let dialogs = 0;

/** A dialog with a title that is removed when it closes. */
export function dialog(title, { narrow = false } = {}) {
  const id = `dialog-${++dialogs}`;
  const body = el("div", { class: "dialog-body" });
  const heading = el("div", { class: "grow" }, el("h2", { id }, title));
  const box = el("dialog", { class: narrow ? "narrow" : "", "aria-labelledby": id },
    el("div", { class: "dialog-head" }, heading, button("", () => box.close(), { kind: "plain icon", drawing: "close", label: "Close" })), body);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  return { box, body, heading };
}

/** Light or dark: what the reader chose, or else what the system says. With next, chooses. */
export function scheme(next) {
  if (next) localStorage.setItem("scheme", next);
  const chosen = localStorage.getItem("scheme");
  if (chosen) document.documentElement.dataset.scheme = chosen;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}
