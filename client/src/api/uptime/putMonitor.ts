import type { QueryClient } from "@tanstack/react-query";
import type { Monitor } from "../types";
import { monitorKey, monitorsKey } from "./monitors";

/** Puts a monitor that was just read where the list and its own page look for it. */
export function putMonitor(queries: QueryClient, monitor: Monitor) {
  queries.setQueryData(monitorKey(monitor.id), monitor);
  queries.setQueryData<Monitor[]>(monitorsKey, (all) => {
    if (!all) return all;
    return all.some((m) => m.id === monitor.id) ? all.map((m) => (m.id === monitor.id ? monitor : m)) : [...all, monitor];
  });
}
