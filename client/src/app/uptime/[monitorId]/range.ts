// Which stretch of time the page of a monitor shows, as it stands in the address.
import type { BucketWidth, StatsAsk } from "@/api/uptime/events";

export const presets = {
  "1h": { word: "1 h", hours: 1, width: "hour", slots: 24, bars: "last 24 hours" },
  "24h": { word: "24 h", hours: 24, width: "hour", slots: 24, bars: "last 24 hours" },
  "7d": { word: "7 d", hours: 7 * 24, width: "day", slots: 7, bars: "last 7 days" },
  "30d": { word: "30 d", hours: 30 * 24, width: "day", slots: 30, bars: "last 30 days" },
  "90d": { word: "90 d", hours: 90 * 24, width: "day", slots: 90, bars: "last 90 days" },
  "1y": { word: "1 y", hours: 365 * 24, width: "week", slots: 53, bars: "last 53 weeks" },
} as const;

export type Preset = keyof typeof presets;

/** The part of the address that says it. from and to are moments, in ISO 8601, and stand together. */
export interface RangeSearch {
  range?: string;
  from?: string;
  to?: string;
}

export interface Range {
  /** Absent where both ends were chosen. */
  preset?: Preset;
  word: string;
  ask: StatsAsk;
  /** Bars of uptime: of what width, and how many from the newest. of: the stretch that is kept of those. */
  width: BucketWidth;
  slots: number;
  bars: string;
  of?: { from: number; to: number };
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** How many days back the server has bars. */
export const MOST_DAYS = 400;
const HOURLY_DAYS = 60; // how far back bars by the hour are asked for: all up to now come with them

const isMoment = (text: unknown): text is string => typeof text === "string" && /^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text));

/** Takes from an address what is one of these. */
export function readRange(search: Record<string, unknown>): RangeSearch {
  if (isMoment(search.from) && isMoment(search.to) && Date.parse(search.from) < Date.parse(search.to)) return { from: search.from, to: search.to };
  return typeof search.range === "string" && Object.hasOwn(presets, search.range) && search.range !== "24h" ? { range: search.range } : {};
}

/** What an address asks for. */
export function rangeOf(search: RangeSearch, now: number): Range {
  if (search.from && search.to) return between(Date.parse(search.from), Date.parse(search.to), now);
  const preset = (search.range ?? "24h") as Preset;
  const { word, width, slots, bars } = presets[preset];
  return { preset, word, ask: { preset }, width, slots, bars };
}

function between(from: number, to: number, now: number): Range {
  const ask = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  const length = to - from;
  const width = length <= 3 * DAY && now - from <= HOURLY_DAYS * DAY ? "hour" : length <= 120 * DAY ? "day" : "week";
  const size = { hour: HOUR, day: DAY, week: 7 * DAY }[width];
  // Bars are counted back from now, and two more, as none begins where it was asked for.
  const most = width === "week" ? Math.floor(MOST_DAYS / 7) : width === "day" ? MOST_DAYS : Infinity;
  const slots = Math.min(Math.ceil((now - from) / size) + 2, most);
  return { word: "chosen range", ask, width, slots, bars: `by ${width}, in the chosen range`, of: { from: from - size + 1, to } };
}
