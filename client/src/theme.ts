// Light or dark: the system's choice, until the reader makes one.
import { useSyncExternalStore } from "react";

export type Scheme = "light" | "dark";
export type SchemeChoice = Scheme | "system";

const STORED = "scheme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function stored(): SchemeChoice {
  try {
    const value = localStorage.getItem(STORED);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system"; // a browser that keeps nothing
  }
}

let choice = stored();

function apply() {
  if (choice === "system") delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = choice;
  for (const listener of listeners) listener();
}

/** Chooses, for this browser. */
export function chooseScheme(next: SchemeChoice) {
  choice = next;
  try {
    if (next === "system") localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, next);
  } catch {
    // It holds until the page is closed.
  }
  apply();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useSchemeChoice = (): SchemeChoice => useSyncExternalStore(subscribe, () => choice);

/** What is shown now. Drawings on a canvas must be made anew when it changes. */
export const useScheme = (): Scheme => useSyncExternalStore(subscribe, () => (choice === "system" ? (system.matches ? "dark" : "light") : choice));

system.addEventListener("change", () => { for (const listener of listeners) listener(); });
apply();
