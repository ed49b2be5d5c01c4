// Which of the three the reader gets: set-up, signing in, or the list.
import { el, button, scheme } from "/ui.js";
import { api, Refusal } from "/api.js";
import { setUp, signIn } from "/gate.js";
import { monitorList } from "/list.js";

const main = document.getElementById("main");
const tools = document.getElementById("tools");
let current = null;

function show(node) {
  current?.end();
  current = null;
  main.removeAttribute("aria-busy");
  main.replaceChildren(node);
  main.querySelector("[autofocus]")?.focus();
}

function drawTools(session) {
  const toggle = button("", () => { scheme(scheme() === "dark" ? "light" : "dark"); }, { kind: "plain icon", drawing: "sun", label: "Light or dark" });
  tools.replaceChildren(...[
    session && el("span", { class: "who quiet small" }, [session.organization?.name, session.user?.email].filter(Boolean).join(" · ")),
    toggle,
    session && button("Sign out", signOut, { kind: "plain" }),
  ].filter(Boolean));
}

async function signOut() {
  await api.signOut().catch(() => {});
  drawTools(null);
  show(signIn(open));
}

/** Goes where the reader belongs. */
async function open() {
  drawTools(null);
  try {
    const session = await api.session();
    if (location.pathname === "/setup") history.replaceState(null, "", "/");
    drawTools(session);
    const role = session.organization?.role;
    const list = monitorList({ canEdit: role === "editor" || role === "admin" || role === "owner", lost: () => { drawTools(null); show(signIn(open)); } });
    show(list.view);
    current = list;
  } catch (err) {
    if (!(err instanceof Refusal)) throw err;
    if (err.status !== 401) {
      show(el("div", { class: "notice bad", role: "alert" }, el("p", {}, err.message), button("Try again", open)));
      return;
    }
    await knock();
  }
}

/** Nobody is signed in: set up if nobody ever was. */
async function knock() {
  try {
    const token = new URLSearchParams(location.search).get("token");
    const fresh = await api.needsSetup();
    if (location.pathname === "/setup") history.replaceState(null, "", "/setup"); // the token does not stay in the history
    show(fresh ? setUp(token, open) : signIn(open));
  } catch (err) {
    show(el("div", { class: "notice bad", role: "alert" }, el("p", {}, err.message), button("Try again", open)));
  }
}

scheme();
open();
