// The list of monitors, kept up to date as things happen.
import { el, ago, announce, button, icon, millis, percent, state, stateWord } from "/ui.js";
import { api, follow, Refusal } from "/api.js";
import { addMonitor } from "/add.js";
import { askDelete, showMonitor, target } from "/detail.js";
import { bars, spark, tally } from "/charts.js";

const KEEP = 40; // results per monitor, as many as there are bars
const REFRESH = 60_000; // uptime figures change slowly
const AT_ONCE = 4; // questions for results at the same time

/** Shows the list. lost is called when the session is over. It returns the node and what ends it. */
export function monitorList({ canEdit, lost }) {
  const known = new Map(); // id → { monitor, events, row }
  let next = null;
  let wanted = { text: "", status: null };

  const list = el("ul", { class: "monitors" });
  const chips = el("div", { class: "row", role: "group", "aria-label": "Only these" });
  const search = el("input", { type: "search", placeholder: "Filter by name or address", "aria-label": "Filter by name or address", on: { input: () => { wanted.text = search.value.toLowerCase(); show(); } } });
  const empty = el("div", { class: "notice", hidden: true });
  const problem = el("div", { class: "notice bad", role: "alert", hidden: true });
  const more = button("Show more", () => attempt(() => load(next)), { hidden: true });
  const live = document.getElementById("live");
  const view = el("section", {},
    el("div", { class: "head" }, el("h1", {}, "Monitors"), canEdit && button("Add monitor", () => addMonitor(added), { kind: "main", drawing: "plus" })),
    el("div", { class: "filters" }, search, chips), problem, empty, list, el("p", { class: "center" }, more));

  // Results are asked for when a row comes into view, a few at a time.
  const queue = [];
  let asking = 0;
  const watcher = new IntersectionObserver((seen) => {
    for (const s of seen) {
      const entry = known.get(Number(s.target.dataset.id));
      if (!entry) continue;
      entry.inView = s.isIntersecting;
      if (entry.inView && !entry.asked) ask(entry);
    }
  }, { rootMargin: "200px" });

  function ask(entry) {
    entry.asked = true;
    if (!queue.includes(entry.monitor.id)) queue.push(entry.monitor.id);
    pump();
  }

  function pump() {
    while (asking < AT_ONCE && queue.length > 0) {
      const entry = known.get(queue.shift());
      if (!entry) continue;
      asking++;
      api.events(entry.monitor.id, KEEP).then((events) => {
        entry.events = events;
        draw(entry);
      }, () => {}).finally(() => { asking--; pump(); });
    }
  }

  async function attempt(work) {
    try {
      problem.hidden = true;
      return await work();
    } catch (err) {
      if (!(err instanceof Refusal)) throw err;
      if (err.status === 401) lost();
      problem.textContent = err.message;
      problem.hidden = false;
      return null;
    }
  }

  async function load(token) {
    const page = await api.monitors(token);
    next = page.next;
    more.hidden = !next;
    if (!token) {
      const here = new Set(page.monitors.map((m) => m.id));
      for (const id of [...known.keys()]) if (!here.has(id) && !next) forget(id);
    }
    page.monitors.forEach(put);
    show();
  }

  function put(monitor) {
    const entry = known.get(monitor.id) ?? { events: [], row: el("li", { class: "monitor", "data-id": monitor.id }) };
    entry.monitor = monitor;
    if (!known.has(monitor.id)) {
      known.set(monitor.id, entry);
      watcher.observe(entry.row);
    }
    draw(entry);
    return entry;
  }

  function forget(id) {
    const entry = known.get(id);
    if (entry) watcher.unobserve(entry.row);
    entry?.row.remove();
    known.delete(id);
  }

  function added(monitor) {
    put(monitor);
    show();
    announce(`${monitor.name} was added`);
  }

  /** Redraws which rows are there and in which order: what needs somebody comes first. */
  function show() {
    const rank = { down: 0, degraded: 1, unknown: 2, up: 3, maintenance: 4, paused: 5 };
    const all = [...known.values()];
    const rows = all.filter(({ monitor: m }) => (!wanted.status || statusOf(m) === wanted.status) && `${m.name} ${target(m)}`.toLowerCase().includes(wanted.text));
    rows.sort((a, b) => rank[statusOf(a.monitor)] - rank[statusOf(b.monitor)] || a.monitor.name.localeCompare(b.monitor.name));
    place(rows.map((r) => r.row));
    chips.replaceChildren(...tally(all.map((e) => e.monitor)).map(([s, n]) => el("button", { type: "button", class: "button", "aria-pressed": String(wanted.status === s),
      on: { click: () => { wanted.status = wanted.status === s ? null : s; show(); } } }, state(s), String(n))));
    empty.hidden = rows.length > 0;
    empty.textContent = all.length > 0 ? "No monitor is like that." : canEdit ? "There are no monitors yet. Add the first: a web address or a port." : "There are no monitors yet.";
    const down = all.filter((e) => statusOf(e.monitor) === "down").length;
    document.title = down > 0 ? `(${down} down) Frogstats Uptime` : "Frogstats Uptime";
  }

  /** Puts rows in order and moves only those that stand wrong, so that the focus stays where it is. */
  function place(rows) {
    const stay = new Set(rows);
    for (const row of [...list.children]) if (!stay.has(row)) row.remove();
    rows.forEach((row, i) => { if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null); });
  }

  function draw(entry) {
    const { monitor: m, events, row } = entry;
    const s = m.status ?? {};
    const status = statusOf(m);
    row.dataset.status = status;
    const held = row.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const checked = el("time", { datetime: s.last_checked_at ?? undefined, title: s.last_checked_at ?? "", "data-ago": s.last_checked_at ?? "" }, ago(s.last_checked_at));
    row.replaceChildren(
      el("div", {}, el("div", { class: "row" }, state(status), el("button", { type: "button", class: "name", "data-key": "name", on: { click: () => attempt(() => open(m)) } }, m.name)),
        el("span", { class: "target", title: target(m) }, target(m))),
      el("div", { class: "trend" }, spark(events), bars(events), el("span", { class: "quiet small" }, el("span", {}, checked), el("span", {}, s.last_error_type && status !== "up" ? s.last_error_type : ""))),
      el("dl", { class: "numbers" }, number("24 h", percent(s.uptime_percentage_24h)), number("7 d", percent(s.uptime_percentage_7d)), number("30 d", percent(s.uptime_percentage_30d)),
        number("Time", millis(lastTime(events) ?? s.average_response_time_24h))),
      el("div", { class: "actions" }, actions(m, () => {}, true)));
    if (held) row.querySelector(`[data-key="${held}"]`)?.focus();
  }

  /** The buttons of a monitor: as drawings in a row, as words in the dialog. */
  function actions(m, done, small = false) {
    if (!canEdit) return [];
    const kind = small ? "plain icon" : "";
    const make = (word, drawing, work, extra = {}) => button(small ? "" : word, work, { kind, drawing, label: small ? `${word} ${m.name}` : undefined, "data-key": drawing, ...extra });
    return [
      make("Check now", "check", () => { done(); attempt(() => checkNow(m)); }),
      m.enabled ? make("Pause", "pause", () => { done(); attempt(() => change(m, false)); }) : make("Resume", "play", () => { done(); attempt(() => change(m, true)); }, { "data-key": "pause" }),
      make("Delete", "trash", () => { done(); askDelete(m, () => attempt(() => remove(m))); }, { kind: small ? kind : "danger" }),
    ];
  }

  /** Opens a monitor's dialog, which has an address: messages lead to it, and so may people. */
  async function open(m) {
    const path = `/uptime/${m.id}`;
    if (location.pathname !== path) history.replaceState(null, "", path);
    await showMonitor(m, actions, () => {
      if (location.pathname === path) history.replaceState(null, "", "/");
      known.get(m.id)?.row.querySelector("[data-key=name]")?.focus();
    });
  }

  /** Opens what the address of the page names. */
  async function openNamed() {
    const id = /^\/uptime\/(\d+)$/.exec(location.pathname)?.[1];
    if (id) await open(await api.monitor(Number(id)));
  }

  async function checkNow(m) {
    announce(`Checking ${m.name}`);
    const event = await api.checkNow(m.id);
    const entry = known.get(m.id);
    if (!entry) return;
    entry.events = [event, ...entry.events.filter((e) => e.event_id !== event.event_id)].slice(0, KEEP);
    put(await api.monitor(m.id));
    show();
  }

  async function change(m, enabled) {
    await api.change(m.id, { enabled });
    put(await api.monitor(m.id));
    show();
  }

  async function remove(m) {
    await api.remove(m.id);
    forget(m.id);
    show();
    announce(`${m.name} was deleted`);
  }

  // What comes over the stream.
  function changed(feed) {
    const entry = known.get(feed.monitor_id);
    if (!entry) {
      attempt(() => load(null)); // a monitor that somebody else added
      return;
    }
    entry.monitor.status = { ...entry.monitor.status, current_status: feed.transition.to, since: feed.transition.since, last_error_type: feed.transition.error_type, last_error: feed.transition.error_message };
    draw(entry);
    show();
    entry.row.classList.add("flash");
    announce(`${entry.monitor.name}: ${stateWord(feed.transition.to)}`);
    api.monitor(feed.monitor_id).then((m) => { put(m); show(); }, () => {});
  }

  function came(feed) {
    const entry = known.get(feed.monitor_id);
    if (!entry) return;
    const o = feed.observation;
    const event = { status: o.status, scheduled_at: o.scheduled_at ?? feed.at, timestamp: feed.at, region: o.region, response_time_us: o.response_time_us, error_message: o.error_message, error_type: o.error_type };
    entry.events = [event, ...entry.events.filter((e) => e.scheduled_at !== event.scheduled_at || e.region !== event.region)].slice(0, KEEP);
    entry.monitor.status = { ...entry.monitor.status, current_status: o.current_status ?? statusOf(entry.monitor), last_checked_at: feed.at };
    draw(entry);
    if (o.successes > 1 && entry.inView) ask(entry); // it stands for several checks, which have bars of their own
  }

  const say = (text, drawing) => live.replaceChildren(icon(drawing), text);
  let dropped = false;
  const stop = follow({
    opened() {
      say("Live", "dot");
      if (dropped) attempt(() => load(null));
      dropped = false;
    },
    status: changed,
    result: came,
    reset: () => attempt(() => load(null)),
    waiting: () => { dropped = true; say("Reconnecting…", "pause"); },
    lost: () => { say("Not live", "close"); attempt(() => api.session()); },
  });
  const tick = setInterval(() => {
    for (const t of list.querySelectorAll("[data-ago]")) t.textContent = ago(t.dataset.ago);
  }, 5000);
  const refresh = setInterval(() => { if (!document.hidden) attempt(() => load(null)); }, REFRESH);

  attempt(() => load(null));
  attempt(openNamed);
  return {
    view,
    end() {
      stop();
      clearInterval(tick);
      clearInterval(refresh);
      watcher.disconnect();
      live.replaceChildren();
    },
  };
}

const statusOf = (m) => m.status?.current_status ?? (m.enabled === false ? "paused" : "unknown");

const number = (word, value) => [el("dt", {}, word), el("dd", {}, value)];

function lastTime(events) {
  const last = events.find((e) => e.status === "success");
  return last ? last.response_time_us / 1000 : null;
}
