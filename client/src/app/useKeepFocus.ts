import { useEffect } from "react";

// What is large enough to say where one is, and small enough that Tab goes on from near there.
const places = "li, article, section, [role=tabpanel], dialog, main";
const REMEMBERED = 12;
const PATIENCE_MS = 400;

interface Step { element: Element; index: number }

/** Where an element stands: itself and what is around it, each with its place among its neighbours. */
function chainOf(element: Element): Step[] {
  const chain: Step[] = [];
  for (let e: Element | null = element; e && e !== document.body; e = e.parentElement) chain.push({ element: e, index: e.parentElement ? [...e.parentElement.children].indexOf(e) : 0 });
  return chain;
}

const usable = (e: Element) => e.isConnected && e.checkVisibility() && !e.matches(":disabled, main") && !e.closest("[inert]");
const nothing = () => !document.activeElement || document.activeElement === document.body;

/** Puts the focus on something that is no control, for as long as it stays there. */
function focusPlace(place: HTMLElement) {
  if (!place.hasAttribute("tabindex")) {
    place.tabIndex = -1;
    place.addEventListener("blur", () => place.removeAttribute("tabindex"), { once: true });
  }
  place.focus({ preventScroll: true });
}

/** Goes to what is nearest to something that is gone. before are what had the focus before it, the last first. */
function goNear(chain: readonly Step[], before: readonly HTMLElement[]) {
  const rest = chain.findIndex((s) => s.element.isConnected);
  const gone = chain[(rest < 0 ? chain.length : rest) - 1]?.element;
  // A dialog or a menu: what opened it.
  if (rest < 0 || gone?.matches("dialog")) {
    const opener = before.find(usable);
    if (opener) { opener.focus({ preventScroll: true }); return; }
  }
  // An item of a list: the one in its place, or the one before.
  if (gone?.matches("li") && rest > 0) {
    const items = [...chain[rest]!.element.children].filter((c): c is HTMLElement => c.matches("li"));
    const next = items[Math.min(chain[rest - 1]!.index, items.length - 1)];
    if (next) { focusPlace(next); return; }
  }
  const place = (chain.find((s) => s.element.isConnected && s.element.matches(places))?.element ?? document.getElementById("main")) as HTMLElement | null;
  if (!place) return;
  const known = place.matches("main") ? undefined : before.find((b) => place.contains(b) && usable(b));
  if (known) known.focus({ preventScroll: true });
  else focusPlace(place);
}

/**
 * Keeps the focus from being lost: when what has it goes away, as a deleted row does, it comes to what is nearest, and when it was
 * only switched off for a moment, as a button is while it works, it comes back to it. Otherwise the browser begins at the top again.
 */
export function useKeepFocus() {
  useEffect(() => {
    let chain: Step[] = [];
    let before: HTMLElement[] = [];
    // What was switched off while it had the focus, and where that is meanwhile.
    let waiting: HTMLElement | null = null;
    let parked: Element | null = null;
    const note = (e: FocusEvent) => {
      const element = e.target as HTMLElement;
      chain = chainOf(element);
      if (!element.matches(places)) before = [element, ...before.filter((b) => b !== element && b.isConnected)].slice(0, REMEMBERED);
      if (element !== parked) waiting = parked = null;
    };
    const look = () => {
      if (waiting && usable(waiting) && (nothing() || document.activeElement === parked)) { waiting.focus({ preventScroll: true }); return; }
      const last = chain[0]?.element;
      if (last && !last.isConnected && nothing()) goNear(chain, before.filter((b) => b !== last));
    };
    const park = (button: HTMLElement) => {
      if (button !== waiting || !nothing()) return;
      parked = button.closest(places);
      if (parked) focusPlace(parked as HTMLElement);
    };
    const watcher = new MutationObserver((changes) => {
      const last = chain[0]?.element as HTMLElement | undefined;
      if (last && last !== waiting && last.matches(":disabled") && changes.some((c) => c.target === last)) {
        waiting = last;
        setTimeout(park, PATIENCE_MS, last);
      }
      look();
    });
    // Who clicks beside everything wants the focus nowhere.
    const click = () => setTimeout(() => { if (nothing() && chain[0]?.element.isConnected) { chain = []; waiting = parked = null; } });
    document.addEventListener("focusin", note);
    document.addEventListener("pointerdown", click);
    watcher.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled"] });
    return () => { document.removeEventListener("focusin", note); document.removeEventListener("pointerdown", click); watcher.disconnect(); };
  }, []);
}
