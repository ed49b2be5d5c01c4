// What of the list is shown, as it stands in the address: it can be kept, sent and gone back to.
import type { CurrentStatus, Monitor, MonitorType } from "@/api/types";
import { statusOrder, statusWord, target } from "@/format/status";
import { statusOf } from "@/live/applyFeed";

export const sorts = { state: "What needs attention", name: "Name", slow: "Slowest", uptime: "Least uptime", newest: "Newest" } as const;
export type Sort = keyof typeof sorts;

/** Of which time a row draws its uptime: bars of which width, and how many. */
export const barRanges = {
  "24h": { word: "24 h", width: "hour", slots: 24 }, "7d": { word: "7 d", width: "day", slots: 7 },
  "30d": { word: "30 d", width: "day", slots: 30 }, "90d": { word: "90 d", width: "day", slots: 90 },
} as const;
export type BarRange = keyof typeof barRanges;

export interface ListSearch {
  q?: string;
  status?: CurrentStatus;
  type?: MonitorType;
  label?: string;
  sort?: Sort;
  /** Of which time the bars are; absent is a day. */
  bars?: BarRange;
  /** What the list is divided by: "state", "kind" or "label:" with the key of one. */
  group?: string;
}

const types: readonly MonitorType[] = ["http", "tcp", "tls"];

/** Reads the search part of an address. What it does not know it leaves out. */
export function readListSearch(search: Record<string, unknown>): ListSearch {
  const found: ListSearch = {};
  if (typeof search.q === "string" || typeof search.q === "number") found.q = String(search.q).slice(0, 200);
  if (statusOrder.includes(search.status as CurrentStatus)) found.status = search.status as CurrentStatus;
  if (types.includes(search.type as MonitorType)) found.type = search.type as MonitorType;
  if (typeof search.label === "string") found.label = search.label;
  if (typeof search.sort === "string" && Object.hasOwn(sorts, search.sort)) found.sort = search.sort as Sort;
  if (typeof search.bars === "string" && search.bars !== "24h" && Object.hasOwn(barRanges, search.bars)) found.bars = search.bars as BarRange;
  if (typeof search.group === "string" && /^(state|kind|label:.+)$/.test(search.group)) found.group = search.group;
  return found;
}

function matches(monitor: Monitor, search: ListSearch, words: string): boolean {
  if (search.status && statusOf(monitor) !== search.status) return false;
  if (search.type && monitor.monitor_type !== search.type) return false;
  if (search.label) {
    const [key = "", ...rest] = search.label.split("=");
    const value = monitor.labels?.[key];
    if (value === undefined || (rest.length > 0 && value !== rest.join("="))) return false;
  }
  return !words || `${monitor.name} ${target(monitor)}`.toLowerCase().includes(words);
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a: Monitor, b: Monitor) => collator.compare(a.name ?? "", b.name ?? "") || a.id - b.id;

// Where each monitor stands by its name. Comparing names as people count takes a tenth of a second for ten thousand, and the list
// is put in order anew with every piece of news; names hardly ever change.
const places = new Map<number, { name: string; place: number }>();

/** The monitors by their names. */
function byNames(all: readonly Monitor[]): Monitor[] {
  if (places.size !== all.length || all.some((m) => places.get(m.id)?.name !== (m.name ?? ""))) {
    places.clear();
    [...all].sort(byName).forEach((m, place) => places.set(m.id, { name: m.name ?? "", place }));
  }
  const sorted = new Array<Monitor>(all.length);
  for (const m of all) sorted[places.get(m.id)!.place] = m;
  return sorted;
}

/** Puts monitors by state, the pressing ones first, and leaves their order else. */
function byState(all: readonly Monitor[]): Monitor[] {
  const groups = new Map<CurrentStatus, Monitor[]>(statusOrder.map((s) => [s, []]));
  for (const m of all) groups.get(statusOf(m))?.push(m);
  return [...groups.values()].flat();
}

const orders: Record<Exclude<Sort, "state" | "name">, (a: Monitor, b: Monitor) => number> = {
  slow: (a, b) => (b.status?.average_response_time_24h ?? -1) - (a.status?.average_response_time_24h ?? -1),
  uptime: (a, b) => (a.status?.uptime_percentage_24h ?? 101) - (b.status?.uptime_percentage_24h ?? 101),
  newest: (a, b) => b.id - a.id,
};

/** The monitors that the search asks for, in its order; those that are alike by their names. */
export function select(all: readonly Monitor[], search: ListSearch): Monitor[] {
  const words = (search.q ?? "").trim().toLowerCase();
  const shown = byNames(all).filter((m) => matches(m, search, words));
  const sort = search.sort ?? "state";
  if (sort === "name") return shown;
  return sort === "state" ? byState(shown) : shown.sort(orders[sort]);
}

/** How many monitors are in each state, the pressing ones first; states that none is in are left out. */
export function tally(all: readonly Monitor[]): [CurrentStatus, number][] {
  const counts = new Map<CurrentStatus, number>();
  for (const m of all) counts.set(statusOf(m), (counts.get(statusOf(m)) ?? 0) + 1);
  return statusOrder.filter((s) => counts.has(s)).map((s) => [s, counts.get(s)!]);
}

/** Every label that occurs, as "key=value", sorted. */
export function labelsOf(all: readonly Monitor[]): string[] {
  return [...new Set(all.flatMap((m) => Object.entries(m.labels ?? {}).map(([k, v]) => (v ? `${k}=${v}` : k))))].sort(collator.compare);
}

/** Every key of a label that occurs, sorted. */
export function labelKeysOf(all: readonly Monitor[]): string[] {
  return [...new Set(all.flatMap((m) => Object.keys(m.labels ?? {})))].sort(collator.compare);
}

export interface ListGroup { key: string; word: string; monitors: Monitor[] }

/** Divides the monitors, in the order that they have; without a way to, all are one group that has no word. Empty ones are left out. */
export function divide(shown: Monitor[], by: string | undefined): ListGroup[] {
  if (!by) return [{ key: "all", word: "", monitors: shown }];
  const label = by.startsWith("label:") ? by.slice("label:".length) : undefined;
  const keyOf = (m: Monitor) => (label !== undefined ? (m.labels?.[label] === undefined ? "" : `=${m.labels[label]}`) : by === "state" ? statusOf(m) : (m.monitor_type ?? ""));
  const found = new Map<string, Monitor[]>();
  for (const m of shown) {
    const key = keyOf(m);
    const there = found.get(key);
    if (there) there.push(m);
    else found.set(key, [m]);
  }
  // What has no such label comes last.
  const sorted = label !== undefined ? [...found.keys()].sort((a, b) => (a === "" ? 1 : b === "" ? -1 : collator.compare(a, b))) : ((by === "state" ? statusOrder : types) as readonly string[]).filter((k) => found.has(k));
  const word = (key: string) => (label === undefined ? (by === "state" ? statusWord(key as CurrentStatus) : key.toUpperCase()) : key === "" ? `Without ${label}` : key === "=" ? label : `${label}${key}`);
  return sorted.map((key) => ({ key, word: word(key), monitors: found.get(key)! }));
}
