// When a window is, worked out before it is saved, as the server works it out.
import { parseCron, ScheduleError } from "./cron";
import { ruleWalls } from "./rrule";
import { DAY, instantOf, isZone, midnight, wallOf } from "./wall";

export interface Schedule {
  rrule?: string;
  cron?: string;
  zone: string;
  /** Instant before which nothing begins. */
  start: number;
  /** Length of each, in milliseconds. */
  length: number;
}

export interface Occurrence { start: number; end: number }

const HORIZON = 12 * 366 * DAY;
const MAX_A_DAY = 96;

function* cronWalls(text: string, from: number): Generator<number> {
  const cron = parseCron(text);
  if (cron.clock.length > MAX_A_DAY) throw new ScheduleError(`It begins ${cron.clock.length} times a day; at most ${MAX_A_DAY} are allowed`);
  for (let day = midnight(from); day < from + HORIZON; day += DAY) if (cron.dueOn(day)) for (const at of cron.clock) if (day + at >= from) yield day + at;
}

/** The occurrence that lasts at now and those to come, count in all. Throws a ScheduleError that says what is wrong. */
export function nextOccurrences(s: Schedule, now: number, count = 5): Occurrence[] {
  if (!isZone(s.zone)) throw new ScheduleError(`“${s.zone}” is not a time zone`);
  const walls = s.rrule !== undefined ? ruleWalls(s.rrule, s.zone, wallOf(s.start, s.zone)) : (from: number) => cronWalls(s.cron ?? "", from);
  const out: Occurrence[] = [];
  let before = Number.NaN;
  for (const wall of walls(wallOf(Math.max(now - s.length, s.start), s.zone) - DAY)) {
    const start = instantOf(wall, s.zone);
    if (start < s.start || start === before) continue;
    before = start;
    if (start + s.length > now) out.push({ start, end: start + s.length });
    if (out.length >= count) break;
  }
  return out;
}
