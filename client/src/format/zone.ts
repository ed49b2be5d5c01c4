// On whose clock times are written: the device's, until the reader chooses another.
import { useSyncExternalStore } from "react";

const STORED = "zone";
const listeners = new Set<() => void>();

/** The zone of the device. */
export const deviceZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Whether a name is a time zone here. */
export function isKnownZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone !== "";
  } catch {
    return false;
  }
}

function stored(): string {
  try {
    const value = localStorage.getItem(STORED) ?? "";
    return isKnownZone(value) ? value : "";
  } catch {
    return ""; // there is no store here
  }
}

let choice = stored();

/** The zone that times are written in. */
export const zone = (): string => choice || deviceZone();

/** Chooses a zone, for this browser; nothing goes back to the device's. */
export function chooseZone(next: string) {
  choice = isKnownZone(next) ? next : "";
  formats.clear();
  try {
    if (choice) localStorage.setItem(STORED, choice);
    else localStorage.removeItem(STORED);
  } catch {
    // It holds until the page is closed.
  }
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** What was chosen; empty is the device's zone. Whoever uses it is drawn anew when it changes. */
export const useZoneChoice = (): string => useSyncExternalStore(subscribe, () => choice, () => choice);

const formats = new Map<string, Intl.DateTimeFormat>();

/** Writes a moment in the reader's zone. */
export function inZone(at: number | Date, options: Intl.DateTimeFormatOptions): string {
  const key = JSON.stringify(options);
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone() })));
  return format.format(at);
}

/** Writes a moment with its date, its second and its zone. */
export function fullMoment(at: string | number): string {
  return inZone(new Date(at), { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
}
