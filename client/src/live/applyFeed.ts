// What a piece of news makes of what is known of a monitor.
import type { CurrentStatus, Monitor, MonitorStatus, ResultStatus } from "@/api/types";

/** One entry of the stream: a state that changed, or a check that came in. */
export interface FeedEntry {
  seq: number;
  monitor_id: number;
  at: string;
  transition?: {
    from: CurrentStatus;
    to: CurrentStatus;
    since: string | null;
    error_type?: string | null;
    error_message?: string | null;
    consecutive_failures?: number;
    reason?: string | null;
  } | null;
  observation?: {
    region: string;
    status: ResultStatus;
    response_time_us: number;
    error_type?: string | null;
    error_message?: string | null;
    consecutive_failures?: number;
    current_status?: CurrentStatus | null;
    scheduled_at?: string | null;
    next_scheduled_at?: string | null;
  } | null;
}

/** The state to show: what is known, and for a monitor of which nothing is known, whether it is checked at all. */
export function statusOf(monitor: Monitor): CurrentStatus {
  return monitor.status?.current_status ?? (monitor.enabled === false ? "paused" : "unknown");
}

/**
 * The stream says what the checks see and knows of no maintenance window, the list does: until the list says that the window
 * is over, the monitor stays in maintenance, unless it was paused.
 */
function shown(before: CurrentStatus | null | undefined, told: CurrentStatus): CurrentStatus {
  return before === "maintenance" && told !== "paused" ? "maintenance" : told;
}

function applyEntry(monitor: Monitor, entry: FeedEntry): Monitor {
  const status = monitor.status ?? ({ monitor_id: monitor.id } as MonitorStatus);
  const { transition, observation } = entry;
  if (transition) {
    const well = transition.to === "up";
    return {
      ...monitor,
      status: {
        ...status,
        current_status: shown(status.current_status, transition.to),
        since: transition.since ?? status.since,
        last_error: well ? null : (transition.error_message ?? status.last_error ?? null),
        last_error_type: well ? null : (transition.error_type ?? status.last_error_type ?? null),
        consecutive_failures: transition.consecutive_failures ?? status.consecutive_failures,
      },
    };
  }
  if (observation) {
    // A late piece of an older check does not turn the clock back.
    const newest = !status.last_checked_at || Date.parse(entry.at) >= Date.parse(status.last_checked_at);
    return {
      ...monitor,
      status: {
        ...status,
        current_status: observation.current_status ? shown(status.current_status, observation.current_status) : status.current_status,
        last_checked_at: newest ? entry.at : status.last_checked_at,
        next_check_at: observation.next_scheduled_at ?? status.next_check_at,
        consecutive_failures: observation.consecutive_failures ?? status.consecutive_failures,
      },
    };
  }
  return monitor;
}

/** Applies news to one monitor. */
export function applyToMonitor(monitor: Monitor, news: readonly FeedEntry[]): Monitor {
  return news.reduce((m, entry) => (entry.monitor_id === m.id ? applyEntry(m, entry) : m), monitor);
}

/** Applies news to a list, leaving what nothing was told of as it is, and says which monitors the list does not have. */
export function applyToList(all: Monitor[], news: readonly FeedEntry[]): { all: Monitor[]; strangers: number[] } {
  const byMonitor = new Map<number, FeedEntry[]>();
  for (const entry of news) byMonitor.set(entry.monitor_id, [...(byMonitor.get(entry.monitor_id) ?? []), entry]);
  const next = all.map((m) => {
    const own = byMonitor.get(m.id);
    byMonitor.delete(m.id);
    return own ? own.reduce(applyEntry, m) : m;
  });
  return { all: next, strangers: [...byMonitor.keys()] };
}

/** Puts what the list of monitors in maintenance says over a list: who came into a window, and who left one. */
export function applyMaintenance(all: Monitor[], inWindow: readonly Monitor[]): { all: Monitor[]; left: number[] } {
  const within = new Set(inWindow.map((m) => m.id));
  const left: number[] = [];
  let changed = false;
  const next = all.map((m) => {
    const before = statusOf(m);
    if (within.has(m.id) && before !== "maintenance") {
      changed = true;
      return { ...m, status: { ...(m.status ?? ({ monitor_id: m.id } as MonitorStatus)), current_status: "maintenance" as const } };
    }
    // What the state is now only the monitor itself can tell.
    if (!within.has(m.id) && before === "maintenance") left.push(m.id);
    return m;
  });
  return { all: changed ? next : all, left };
}
