import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { groupsKey } from "@/api/groups";
import { sessionKey, sessionQueries } from "@/api/queries";
import type { Monitor } from "@/api/types";
import { resultsKey } from "@/api/uptime/events";
import { deletedMonitors, fetchMonitor, fetchMonitors, monitorKey, monitorsKey } from "@/api/uptime/monitors";
import { putMonitor } from "@/api/uptime/putMonitor";
import { statusWord } from "@/format/status";
import { applyMaintenance, applyToList, applyToMonitor, type FeedEntry } from "./applyFeed";
import { announce } from "./announce";
import { followStream, type LineState } from "./stream";

// How often it is asked who is in a maintenance window, which the stream does not tell. The answer is mostly empty.
const MAINTENANCE_MS = 20_000;
// How often charts and tables of one monitor are read anew at most while news of it comes in.
const RESULTS_MS = 4_000;
// How long alerts may take to know what the stream has told; groups are its.
const GROUPS_MS = 1_000;
// More newcomers than this at a time are read as a list.
const FEW = 10;

/** Keeps all that is cached of an organization as the stream tells, and says how the line is. To be used once, by the layout. */
export function useUptimeStream(queries: QueryClient, active: boolean): LineState {
  const [line, setLine] = useState<LineState>("off");
  const stale = useRef(new Map<number, ReturnType<typeof setTimeout>>());

  useEffect(() => {
    if (!active) return;
    const timers = stale.current;
    const stop = followStream({
      line: setLine,
      reset: () => void queries.invalidateQueries(),
      broken: () => void sessionQueries.invalidateQueries({ queryKey: sessionKey }),
      news: (all) => {
        const entries = deletedMonitors.size > 0 ? all.filter((e) => !deletedMonitors.has(e.monitor_id)) : all;
        spread(queries, entries);
        for (const id of new Set(entries.map((e) => e.monitor_id))) {
          if (timers.has(id)) continue;
          timers.set(id, setTimeout(() => {
            timers.delete(id);
            // Only what somebody looks at is read; the rest is read when it comes into view.
            void queries.invalidateQueries({ queryKey: resultsKey(id), predicate: (q) => q.queryKey[2] !== "buckets" });
          }, RESULTS_MS));
        }
      },
    });
    const looking = setInterval(() => void lookForMaintenance(queries), MAINTENANCE_MS);
    return () => {
      stop();
      clearInterval(looking);
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    };
  }, [queries, active]);

  return line;
}

function spread(queries: QueryClient, entries: FeedEntry[]) {
  const list = queries.getQueryData<Monitor[]>(monitorsKey);
  if (list) {
    const { all, strangers } = applyToList(list, entries);
    queries.setQueryData(monitorsKey, all);
    greet(queries, strangers);
  }
  for (const id of new Set(entries.map((e) => e.monitor_id))) {
    queries.setQueryData<Monitor>(monitorKey(id), (m) => m && applyToMonitor(m, entries));
  }
  const changes = entries.filter((e) => e.transition);
  if (changes.length === 0) return;
  for (const { monitor_id: id, transition } of changes) {
    void queries.invalidateQueries({ queryKey: [...resultsKey(id), "buckets"] });
    // Somebody changed what the list shows beside the state.
    if (transition?.reason) void fetchMonitor(id).then((m) => putMonitor(queries, m), () => {});
  }
  void queries.invalidateQueries({ queryKey: ["incidents"] });
  setTimeout(() => void queries.invalidateQueries({ queryKey: groupsKey }), GROUPS_MS);
  const names = new Map(list?.map((m) => [m.id, m.name]));
  announce(changes.length > 3 ? `${changes.length} monitors changed their state` : changes.map((e) => `${names.get(e.monitor_id) ?? `Monitor ${e.monitor_id}`}: ${statusWord(e.transition!.to)}`).join(", "));
}

/** Reads monitors that somebody else added. */
function greet(queries: QueryClient, strangers: number[]) {
  if (strangers.length > FEW) void queries.invalidateQueries({ queryKey: monitorsKey });
  else for (const id of strangers) void fetchMonitor(id).then((m) => putMonitor(queries, m), () => {});
}

/** Asks who is in a window, and reads those that left one. */
export async function lookForMaintenance(queries: QueryClient) {
  const list = queries.getQueryData<Monitor[]>(monitorsKey);
  if (!list || document.hidden) return;
  let inWindow: Monitor[];
  try {
    inWindow = await fetchMonitors(undefined, "maintenance");
  } catch {
    return; // the next time will do
  }
  const { all, left } = applyMaintenance(queries.getQueryData<Monitor[]>(monitorsKey) ?? list, inWindow);
  queries.setQueryData(monitorsKey, all);
  for (const m of inWindow) queries.setQueryData<Monitor>(monitorKey(m.id), (old) => old && m);
  if (left.length > FEW) void queries.invalidateQueries({ queryKey: monitorsKey });
  else for (const id of left) void fetchMonitor(id).then((m) => putMonitor(queries, m), () => {});
}
