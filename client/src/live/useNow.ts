import { useSyncExternalStore } from "react";

const TICK_MS = 1000;

// One clock for the whole page: a thousand rows that each had a timer would tick at a thousand times.
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void) {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The present moment in milliseconds, which moves on every second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
