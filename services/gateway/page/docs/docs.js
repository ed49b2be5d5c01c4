// Shows /api/openapi.json. Everything is put in as text, never as HTML.

const VERBS = ["get", "post", "put", "patch", "delete"];

function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "listen") for (const [event, fn] of Object.entries(value)) node.addEventListener(event, fn);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
  return node;
}

/** Text in which `words` between backticks are code. */
function prose(text) {
  return (text ?? "").split(/`([^`]+)`/).map((part, i) => (i % 2 ? el("code", {}, part) : part));
}

const paragraphs = (text) => (text ?? "").split(/\n\n+/).filter(Boolean).map((p) => el("p", { class: "lines" }, prose(p)));

let doc;

/** Follows a reference; the name of what it points to is kept. */
function resolve(schema) {
  let nullable = false;
  let name = "";
  let described = schema?.description;
  let s = schema ?? {};
  for (let i = 0; i < 20; i++) {
    if (s.$ref) {
      name = s.$ref.slice(s.$ref.lastIndexOf("/") + 1);
      s = doc.components.schemas[name] ?? {};
    } else if (s.anyOf) {
      nullable ||= s.anyOf.some((a) => a.type === "null");
      s = s.anyOf.find((a) => a.type !== "null") ?? {};
    } else break;
    described ??= s.description;
  }
  const types = [s.type ?? []].flat();
  return { s, name, description: described, nullable: nullable || types.includes("null"), type: types.find((t) => t !== "null") };
}

function kindOf(schema) {
  const { s, name, nullable, type } = resolve(schema);
  let word = type ?? "any";
  if (type === "array") word = `list of ${kindOf(s.items)}`;
  else if (s.enum) word = name || "string";
  else if (type === "object") word = name || (s.additionalProperties ? "map" : "object");
  else if (s.format) word = s.format;
  return nullable ? `${word} or null` : word;
}

/** The properties of an object, or of the objects of a list, that open when asked. */
function properties(schema, seen = []) {
  const { s, name, type } = resolve(schema);
  if (type === "array") return properties(s.items, seen);
  if (s.enum) return el("p", {}, "One of ", s.enum.map((v, i) => [i > 0 && ", ", el("code", {}, String(v))]));
  if (!s.properties || seen.includes(name)) return null;
  return el("ul", { class: "props" }, Object.entries(s.properties).map(([key, value]) => property(key, value, (s.required ?? []).includes(key), [...seen, name])));
}

function property(key, schema, required, seen) {
  const r = resolve(schema);
  const marks = [required && "required", r.s.readOnly || schema.readOnly ? "read-only" : "", r.s.writeOnly || schema.writeOnly ? "write-only" : ""].filter(Boolean);
  const inner = r.type === "array" ? resolve(r.s.items) : r;
  const deeper = inner.s.properties || inner.s.enum;
  return el("li", {}, el("span", { class: "name" }, key), el("span", { class: "kind" }, kindOf(schema)), marks.map((m) => el("span", { class: "tag" }, m)),
    paragraphs(schema.description), deeper && lazy(inner.s.enum ? "Values" : `Fields of ${inner.name || key}`, () => properties(schema, seen) ?? el("p", { class: "quiet" }, "As above.")));
}

/** A disclosure whose content is made when it is opened: schemas may go deep. */
function lazy(word, content) {
  const box = el("details", {}, el("summary", {}, word));
  box.addEventListener("toggle", () => { if (box.open && box.childElementCount === 1) box.append(content()); });
  return box;
}

/** A value that a schema would take. */
function example(schema, depth = 0, seen = []) {
  const { s, name, type } = resolve(schema);
  if (s.examples?.length) return s.examples[0];
  if (s.enum) return s.enum[0];
  if (type === "array") return depth > 3 ? [] : [example(s.items, depth + 1, seen)];
  if (type === "object") {
    if (!s.properties || depth > 2 || seen.includes(name)) return {};
    const writable = Object.entries(s.properties).filter(([, p]) => !p.readOnly && !resolve(p).nullable);
    const some = writable.length > 0 ? writable : Object.entries(s.properties).filter(([, p]) => !p.readOnly).slice(0, 4);
    return Object.fromEntries(some.map(([k, p]) => [k, example(p, depth + 1, [...seen, name])]));
  }
  return { integer: 1, number: 1, boolean: true }[type] ?? (s.format === "date-time" ? "2026-01-02T03:04:05.000Z" : "string");
}

/** Bodies that work are worth more than ones that are merely well formed. */
const samples = {
  "post /api/auth/login": { email: "you@example.com", password: "…" },
  "post /api/uptime/monitors": { name: "Example", monitor_type: "http", interval_seconds: 60, http_config: { url: "https://example.com/" } },
  "post /api/uptime/monitors/test": { monitor_type: "tcp", tcp_config: { host: "example.com", port: 443 } },
  "put /api/uptime/monitors/{id}": { interval_seconds: 30 },
  "patch /api/uptime/monitors/{id}": { enabled: false },
};

function curl(verb, path, op) {
  const parts = [`curl ${location.origin}${path.replaceAll(/\{([^}]+)\}/g, "1")}`];
  if (verb !== "get") parts.splice(1, 0, `  -X ${verb.toUpperCase()}`);
  if (!isPublic(op)) parts.push("  -H \"Authorization: Bearer $FROGUP_API_KEY\"");
  const schema = op.requestBody?.content?.["application/json"]?.schema;
  if (schema) {
    parts.push("  -H 'Content-Type: application/json'");
    parts.push(`  -d '${JSON.stringify(samples[`${verb} ${path}`] ?? example(schema))}'`);
  }
  return parts.join(" \\\n");
}

const isPublic = (op) => Array.isArray(op.security) && op.security.length === 0;

function parameters(op, place, word) {
  const some = (op.parameters ?? []).filter((p) => p.in === place);
  if (some.length === 0) return null;
  return [el("h3", {}, word), el("ul", { class: "props" }, some.map((p) => property(p.name, { ...p.schema, description: p.description }, p.required, [])))];
}

function answers(op) {
  return Object.entries(op.responses ?? {}).map(([code, given]) => {
    const response = given.$ref ? doc.components.responses[given.$ref.slice(given.$ref.lastIndexOf("/") + 1)] : given;
    const [media, content] = Object.entries(response.content ?? {})[0] ?? [];
    const headers = Object.entries(response.headers ?? {});
    const fields = media === "application/json" && content.schema ? properties(content.schema) : null;
    return el("li", {}, el("span", { class: "name" }, code === "default" ? "otherwise" : code), el("span", { class: "kind" }, media === "application/json" && content.schema ? kindOf(content.schema) : media ?? ""),
      paragraphs(response.description), headers.map(([name, h]) => el("p", {}, el("code", {}, name), ` ${h.description ?? ""}`)),
      fields && lazy("Fields", () => properties(content.schema)));
  });
}

function operation(verb, path, op) {
  const body = el("div", { class: "body" });
  const box = el("details", { class: "operation", id: op.operationId },
    el("summary", {}, el("span", { class: `verb ${verb}` }, verb.toUpperCase()), el("span", { class: "path" }, path), el("span", { class: "what" }, prose(op.summary))), body);
  box.addEventListener("toggle", () => { if (box.open && body.childElementCount === 0) fill(); });
  function fill() {
    const schema = op.requestBody?.content?.["application/json"]?.schema;
    const example = curl(verb, path, op);
    const copy = el("button", { type: "button", class: "button", listen: { click: async () => {
      await navigator.clipboard.writeText(example);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    } } }, "Copy");
    body.append(...[
      paragraphs(op.description), isPublic(op) && el("p", { class: "quiet" }, "Needs no credentials."),
      parameters(op, "path", "In the path"), parameters(op, "query", "In the query"), parameters(op, "header", "Headers"),
      schema && [el("h3", {}, "Body"), properties(schema) ?? el("p", {}, kindOf(schema))],
      el("h3", {}, "Answers"), el("ul", { class: "props" }, answers(op)),
      el("h3", {}, "Example"), el("pre", { tabindex: 0 }, el("code", {}, example)), copy,
    ].flat(Infinity).filter(Boolean));
  }
  return box;
}

function draw() {
  const groups = new Map(doc.tags.map((t) => [t.name, { about: t.description, entries: [] }]));
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const verb of VERBS) {
      const op = item[verb];
      if (!op) continue;
      const name = op.tags?.[0] ?? "Other";
      if (!groups.has(name)) groups.set(name, { entries: [] });
      groups.get(name).entries.push({ verb, path, op });
    }
  }
  const order = ["Monitors", "Events", "Stream", "Alerts", "Incidents", "Channels", "Auth", "Organizations", "Audit", "Operation"];
  const names = [...groups.keys()].sort((a, b) => (order.indexOf(a) + 1 || 99) - (order.indexOf(b) + 1 || 99));
  const content = document.getElementById("operations");
  const index = document.getElementById("index");
  content.replaceChildren();
  for (const name of names) {
    const { about, entries } = groups.get(name);
    if (entries.length === 0) continue;
    content.append(el("section", { "data-group": name }, el("h2", {}, name), paragraphs(sentence(about)), entries.map((e) => operation(e.verb, e.path, e.op))));
    index.append(el("section", {}, el("h2", {}, name), el("ul", {}, entries.map((e) =>
      el("li", { "data-text": `${e.verb} ${e.path} ${e.op.summary ?? ""}`.toLowerCase() }, el("a", { href: `#${e.op.operationId}`, title: e.op.summary },
        el("span", { class: `verb ${e.verb}` }, e.verb.toUpperCase()), el("span", {}, breakable(e.path.replace(/^\/api(\/uptime)?/, "").replace("{monitor_id}", "{id}")))))))));
  }
  reveal();
}

/** A path that may be broken before its slashes. */
const breakable = (path) => path.split("/").map((part, i) => (i ? [el("wbr"), `/${part}`] : part));

/** "EventsService answers questions." without its subject. */
function sentence(about) {
  const rest = (about ?? "").replace(/^\w+Service (is )?/, (_, is) => (is ? "this is " : ""));
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

/** Opens the operation that the address names. */
function reveal() {
  const box = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (box?.matches("details")) {
    box.open = true;
    box.scrollIntoView();
    box.querySelector("summary").focus({ preventScroll: true });
  }
}

function filter(text) {
  for (const li of document.querySelectorAll("#index li")) li.hidden = !li.dataset.text.includes(text);
  for (const section of document.querySelectorAll("#index section")) section.hidden = !section.querySelector("li:not([hidden])");
}

function applyScheme(next) {
  if (next) localStorage.setItem("scheme", next);
  const chosen = localStorage.getItem("scheme");
  if (chosen) document.documentElement.dataset.scheme = chosen;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

applyScheme();
document.getElementById("scheme").addEventListener("click", () => applyScheme(applyScheme() === "dark" ? "light" : "dark"));
document.getElementById("filter").addEventListener("input", (e) => filter(e.target.value.trim().toLowerCase()));
addEventListener("hashchange", reveal);
try {
  const response = await fetch("/api/openapi.json");
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  doc = await response.json();
  document.getElementById("title").textContent = doc.info.title;
  draw();
} catch (err) {
  document.getElementById("operations").replaceChildren(el("p", { role: "alert" }, `The document could not be read: ${err.message}`));
}
